"""What was asked and answered, sealed before it is written anywhere; only where a policy says so.

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

from tierwise_core.decision_record import OutcomeLog
from tierwise_core.policy_contents import ContentsPolicy
from tierwise_ledger.contents import CONTENT_KIND
from tierwise_ledger.errors import SealError
from tierwise_ledger.sealing import Keyring
from tierwise_router.answers import answer_text
from tierwise_router.decision import Decision
from tierwise_router.record import Told

__all__ = ["Contents", "SealedContents", "write_down"]

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 1024 * 1024
FASTEST: Final = 1


class Contents:
    """Whose contents a dispatcher keeps, by the RouterPolicy, and the keys they are sealed with.

    Without usable keys nothing is kept, and the log says why; ``unsealed`` counts the requests.

    Args:
        keys_dir: the folder with the keys, empty for none.
    """

    def __init__(self, keys_dir: str = "") -> None:
        self._keys_dir = keys_dir
        self._policy = ContentsPolicy()
        self._ring: Keyring | None = None
        self._trouble = ""
        self.unsealed = 0

    def learn(self, policy: ContentsPolicy) -> None:
        """Obey a policy from now on, for requests that are under way as well."""
        self._policy = policy
        if self._ring is None:
            self.refresh()

    def refresh(self) -> None:
        """Read the keys again, which change while routers run; does nothing if nobody needs any."""
        if not self._policy.tenants:
            self._ring = None
            return
        try:
            self._ring, trouble = self._read(), ""
        except SealError as error:
            self._ring, trouble = None, str(error)
        if trouble and trouble != self._trouble:
            log.error("prompts and answers are not kept", error=trouble)
        self._trouble = trouble

    def _read(self) -> Keyring:
        if not self._keys_dir:
            raise SealError("TIERWISE_KEYS_DIR names no folder with keys to seal them with")
        return Keyring.read(self._keys_dir)

    def wants(self, tenant: str) -> bool:
        """Tell whether contents of this tenant may have to be kept, and can be."""
        policy = self._policy
        if not policy.tenants or not policy.of_tenant(tenant):
            return False
        self.unsealed += self._ring is None
        return self._ring is not None

    def sealed(self, decision: Decision) -> SealedContents | None:
        """Make the row of a decision's contents, sealed when it is told; None for what goes."""
        ring, policy = self._ring, self._policy
        if ring is None or decision.said is None:
            return None
        tenant = decision.tenant.key if decision.tenant is not None else ""
        if not policy.of_tenant(tenant) or not policy.of_field(_field_of(decision)):
            return None
        return SealedContents(ring, policy.keep_days, decision)


def _field_of(decision: Decision) -> str | None:
    """Tell the field of the question, or else of the Specialist that was named and answered."""
    if decision.plan is not None:
        return decision.plan.question.reading.field
    return decision.steps[-1].hop.route.field if decision.steps else None


def write_down(outcomes: OutcomeLog, contents: Contents, decision: Decision) -> None:
    """Record a decision, and its contents where they are kept."""
    outcomes.record(Told(decision))
    if (sealed := contents.sealed(decision)) is not None:
        outcomes.record(sealed)


@dataclass(frozen=True, slots=True)
class SealedContents:
    """The contents of one decision, as a row for the journal."""

    ring: Keyring
    keep_days: int
    decision: Decision

    def to_row(self) -> Mapping[str, Any]:
        """Seal them and give the row; raises SealError or TypeError for what cannot be sealed."""
        decision = self.decision
        name = decision.id.decode()
        plain = zlib.compress(orjson.dumps(_told(decision)), FASTEST)
        sealed = self.ring.seal(plain, name)
        return {
            "kind": CONTENT_KIND,
            "id": name,
            "at": decision.ended_at - decision.seconds,
            "tenant": decision.tenant.key if decision.tenant is not None else "",
            "days": self.keep_days,
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
