"""What was asked and answered, sealed before it is written anywhere; only where it is configured.

The key is that of the ledger (:mod:`tierwise_ledger.sealing`). What cannot be sealed is not kept:
an answer never waits or fails for it.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from tierwise_ledger.contents import CONTENT_KIND
from tierwise_ledger.errors import SealError
from tierwise_ledger.sealing import Keyring
from tierwise_router.answers import answer_text
from tierwise_router.decision import Decision
from tierwise_router.settings import Settings

__all__ = ["Contents", "SealedContents", "find_contents"]

log = structlog.get_logger(__name__)

EVERYBODY: Final = "*"
MOST_BYTES: Final = 1024 * 1024
FASTEST: Final = 1


@dataclass(frozen=True, slots=True)
class Contents:
    """Whose contents are kept, for how long, and with which keys.

    ``tenants`` are names as NAMESPACE/NAME, or ``*`` for everybody, those without a tenant
    included. ``days`` is how long, 0 as long as the outcome.
    """

    ring: Keyring
    tenants: frozenset[str]
    days: int = 0

    def wants(self, tenant: str) -> bool:
        """Tell whether this tenant's contents are kept.

        >>> Contents(Keyring({}, ""), frozenset({"demo/a"})).wants("demo/b")
        False
        """
        return EVERYBODY in self.tenants or tenant in self.tenants

    def sealed(self, decision: Decision) -> SealedContents:
        """Make the row of a decision's contents; it is sealed when it is told."""
        return SealedContents(self, decision)


def find_contents(settings: Settings) -> Contents | None:
    """Read the keys and make what is configured; None where contents are not to be kept.

    Without usable keys nothing is kept either, and the log says why.
    """
    tenants = frozenset(name.strip() for name in settings.contents_tenants.split(",")) - {""}
    if not tenants or not settings.keys_dir:
        return None
    try:
        return Contents(Keyring.read(settings.keys_dir), tenants, settings.contents_days)
    except SealError as error:
        log.error("prompts and answers are not kept", error=str(error))  # noqa: TRY400 - it says all
        return None


@dataclass(frozen=True, slots=True)
class SealedContents:
    """The contents of one decision, as a row for the journal."""

    contents: Contents
    decision: Decision

    def to_row(self) -> Mapping[str, Any]:
        """Seal them and give the row; raises SealError or TypeError for what cannot be sealed."""
        decision = self.decision
        name = decision.id.decode()
        plain = zlib.compress(orjson.dumps(_told(decision)), FASTEST)
        sealed = self.contents.ring.seal(plain, name)
        return {
            "kind": CONTENT_KIND,
            "id": name,
            "at": decision.ended_at - decision.seconds,
            "tenant": decision.tenant.key if decision.tenant is not None else "",
            "days": self.contents.days,
            "key": sealed.key,
            "nonce": b64encode(sealed.nonce).decode(),
            "sealed": b64encode(sealed.data).decode(),
        }


def _told(decision: Decision) -> dict[str, Any]:
    """Tell the request and what was said; of what is too long only that it was."""
    said = b"".join(decision.said or ())
    answers = {
        str(number): answer_text(step.answer)
        for number, step in enumerate(decision.steps)
        if step.answer is not None
    }
    return {
        "request": decision.fields,
        "answers": answers,
        "response": said[:MOST_BYTES].decode("utf-8", "replace"),
        "cut": len(said) > MOST_BYTES,
    }
