"""The keys that prompts and answers are sealed with, as the entries of a Secret.

An entry's name is the key's, its value 32 bytes as base64 or as 64 hex digits. The entry
``current`` names the key to seal with; without it that is the last by name, so that ``2026-11``
follows ``2026-10``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tierwise_core.errors import TierwiseError

__all__ = ["ContentKeys", "ContentKeysError", "read_keys"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
CURRENT: Final = "current"
KEY_BYTES: Final = 32


class ContentKeysError(TierwiseError):
    """There is no key, or one that cannot be used; the message names it."""

    reason = "NoUsableKey"


@dataclass(frozen=True, slots=True)
class ContentKeys:
    """The keys by name, and which of them seals."""

    keys: Mapping[str, bytes] = field(repr=False)
    current: str


def read_keys(entries: Mapping[str, bytes], where: str) -> ContentKeys:
    """Read the keys; entries whose names no key has are left out.

    Raises:
        ContentKeysError: there is none, one is not 32 bytes, or ``current`` names another.

    >>> read_keys({"2026-10": b"00" * 32, "2026-11": b"11" * 32}, "Secret demo").current
    '2026-11'
    >>> read_keys({"2026-10": b"secret"}, "Secret demo")
    Traceback (most recent call last):
        ...
    tierwise_core.content_keys.ContentKeysError: key '2026-10' in Secret demo is not 32 bytes as \
base64 or as 64 hex digits
    """
    names = sorted(name for name in entries if NAME.fullmatch(name) and name != CURRENT)
    if not names:
        raise ContentKeysError(f"there is no key in {where}; put 32 random bytes there, as hex")
    keys = {name: _key(entries[name], f"key {name!r} in {where}") for name in names}
    current = entries.get(CURRENT, names[-1].encode()).decode("utf-8", "replace").strip()
    if current not in keys:
        raise ContentKeysError(
            f"{CURRENT} in {where} names {current!r}, but the keys are {', '.join(names)}"
        )
    return ContentKeys(keys, current)


def _key(value: bytes, what: str) -> bytes:
    for decode in (_hex, _base64):
        try:
            key = decode(value.strip())
        except ValueError:
            continue
        if len(key) == KEY_BYTES:
            return key
    raise ContentKeysError(f"{what} is not {KEY_BYTES} bytes as base64 or as 64 hex digits")


def _hex(value: bytes) -> bytes:
    return bytes.fromhex(value.decode())


def _base64(value: bytes) -> bytes:
    return base64.b64decode(value, validate=True)
