"""API keys: made here, shown once, kept nowhere; the cluster has their digests."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self

from tierwise_cli.errors import UsageError

__all__ = ["ApiKey", "check_room", "next_name", "without"]

PREFIX: Final = "tw-"
RANDOM_BYTES: Final = 32
MOST_KEYS: Final = 16


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and the name that people call it by."""

    name: str
    secret: str

    @classmethod
    def new(cls, name: str) -> Self:
        """Make one that nobody can guess: 256 random bits."""
        return cls(name, PREFIX + secrets.token_urlsafe(RANDOM_BYTES))

    @property
    def entry(self) -> dict[str, str]:
        """What the Tenant's ``spec.keys`` has of it."""
        return {"name": self.name, "sha256": sha256(self.secret.encode()).hexdigest()}


def next_name(keys: Iterable[Mapping[str, Any]]) -> str:
    """Name the next key of a tenant.

    >>> next_name([{"name": "key-1"}, {"name": "ci"}])
    'key-2'
    """
    taken = {str(key.get("name")) for key in keys}
    return next(name for at in range(1, len(taken) + 2) if (name := f"key-{at}") not in taken)


def without(keys: Iterable[Mapping[str, Any]], name: str, tenant: str) -> list[Mapping[str, Any]]:
    """Take a key out; raises UsageError for one that is not there, and for the last one."""
    keys = list(keys)
    left = [key for key in keys if key.get("name") != name]
    if len(left) == len(keys):
        known = ", ".join(str(key.get("name")) for key in keys)
        raise UsageError(f"tenant {tenant} has no key {name!r}", fix=f"name one of {known}")
    if not left:
        raise UsageError(
            f"{name!r} is the last key of tenant {tenant}, and a tenant needs one",
            fix="make another with `tierwise tenant rotate`, or delete the Tenant with kubectl",
        )
    return left


def check_room(keys: Iterable[Mapping[str, Any]], tenant: str) -> None:
    """Raise UsageError where a tenant has as many keys as it may."""
    if len(list(keys)) >= MOST_KEYS:
        raise UsageError(
            f"tenant {tenant} has {MOST_KEYS} keys already, as many as it may",
            fix=f"revoke one: tierwise tenant revoke {tenant.partition('/')[2]} NAME",
        )
