"""Finding a decision: in the pod's own journal, else in the ledger, which has those of all pods."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.decision_record import Feedback
from tierwise_core.late_verdict import Verdict
from tierwise_core.tenant import TenantRoute
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import RequestError
from tierwise_router.journal_files import feedback_of, find_decision, made_by, verdict_of
from tierwise_router.ledger_client import LedgerAwayError

__all__ = ["Found", "find"]

# Another dispatcher of the pod writes what it decided within this time.
WRITTEN_AFTER_S: Final = 0.4
LOOKS: Final = 2
# The ledger has what another pod decided within this time: it is sent there twice a second.
RECORDED_AFTER_S: Final = (0.3, 0.6, 1.2)
AWAY: Final = ((b"retry-after", b"5"),)
SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Found:
    """A decision's record as its router wrote it, and the last word on it.

    ``record`` is None where nobody could be asked whose decision it is, and anybody may judge it.
    ``said`` is the last word that this pod took or the ledger knows, ``sure`` False where the
    ledger could not be asked for words that other pods took.
    """

    record: dict[str, Any] | None
    said: Feedback | None = None
    sure: bool = True


async def find(
    dispatcher: Dispatcher, decision_id: str, tenant: TenantRoute | None, *, judged: bool = False
) -> Found:
    """Find a decision, whichever pod made it.

    A tenant is told of its own decisions alone: those of others are unknown to it. ``judged`` says
    that somebody has a word on it to give. Without tenants nobody can judge what is not theirs, so
    that word is taken while the ledger is away, and counts when the decision arrives there.

    Raises:
        RequestError: 404 for what nobody knows, 503 while the ledger does not say whose it is.
    """
    here = await _written_here(dispatcher, decision_id)
    word = await asyncio.to_thread(_word_taken_here, dispatcher, decision_id)
    param = "decision" if judged else None
    if here is not None:
        if not _may_see(here, tenant):
            raise _unknown(dispatcher, decision_id, param)
        said, sure = await _last_word(dispatcher, decision_id, word)
        return Found(here, said, sure)
    if dispatcher.ledger is None or made_by(decision_id) is None:
        raise _unknown(dispatcher, decision_id, param)
    try:
        outcome = await _outcome(dispatcher, decision_id, tenant)
    except LedgerAwayError as error:
        if judged and tenant is None:
            return Found(None, word, sure=False)
        raise _away(decision_id, error) from error
    if outcome is None or outcome.get("record") is None:
        raise _not_arrived(decision_id, param)
    return Found(_judged(outcome), _newest(word, _word_in(outcome)))


def _judged(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Give the record that the ledger has, with what verifiers said after it was written."""
    record: dict[str, Any] = outcome["record"]
    for position, step in enumerate(outcome.get("steps") or ()):
        known = record["steps"][position]
        if step.get("verified") is not None and known.get("verified") is None:
            said = Verdict(record["id"], position, step["verified"], tuple(step["checks"] or ()))
            record = said.told_in(record)
    return record


def _may_see(record: Mapping[str, Any], tenant: TenantRoute | None) -> bool:
    return tenant is None or record.get("tenant") == tenant.key


async def _written_here(dispatcher: Dispatcher, decision_id: str) -> dict[str, Any] | None:
    """Read a decision of this pod from its journal; None where it is not in there."""
    journal, made = dispatcher.journal, made_by(decision_id)
    if journal is None or made is None or made[0] != dispatcher.ids.pod:
        return None
    for look in range(LOOKS):
        await asyncio.to_thread(journal.flush)
        found = await asyncio.to_thread(find_decision, journal.directory, decision_id)
        if found is not None:
            said = await asyncio.to_thread(verdict_of, journal.directory, decision_id)
            return Verdict.of(said).told_in(found) if said is not None else found
        if made[1] == dispatcher.ids.process or look == LOOKS - 1:
            return None
        await asyncio.sleep(WRITTEN_AFTER_S)
    return None


async def _outcome(
    dispatcher: Dispatcher, decision_id: str, tenant: TenantRoute | None
) -> Mapping[str, Any] | None:
    """Give what the ledger has of it; what another pod decided just now may still be on its way.

    Raises LedgerAwayError.
    """
    ledger, made = dispatcher.ledger, made_by(decision_id)
    if ledger is None or made is None:
        return None
    elsewhere = made[0] != dispatcher.ids.pod
    for pause_s in (0.0, *(RECORDED_AFTER_S if elsewhere else ())):
        await asyncio.sleep(pause_s)
        outcome = await ledger.outcome(decision_id)
        if outcome is not None and _may_see(outcome, tenant):
            return outcome
    return None


async def _last_word(
    dispatcher: Dispatcher, decision_id: str, word: Feedback | None
) -> tuple[Feedback | None, bool]:
    """Give the newest of a word taken here and those that the ledger knows, and if it was asked."""
    if dispatcher.ledger is None:
        return word, True
    try:
        outcome = await dispatcher.ledger.outcome(decision_id)
    except LedgerAwayError:
        return word, False
    return _newest(word, _word_in(outcome or {})), True


def _word_taken_here(dispatcher: Dispatcher, decision_id: str) -> Feedback | None:
    journal = dispatcher.journal
    row = feedback_of(journal.directory, decision_id) if journal is not None else None
    return Feedback.of(row) if row else None


def _word_in(outcome: Mapping[str, Any]) -> Feedback | None:
    words = outcome.get("words") or ()
    return Feedback.of(words[-1]) if words else None


def _newest(*words: Feedback | None) -> Feedback | None:
    return max((word for word in words if word is not None), key=_at, default=None)


def _at(word: Feedback) -> float:
    return word.at


def _away(decision_id: str, error: LedgerAwayError) -> RequestError:
    return RequestError(
        f"decision {decision_id[:SHOWN]!r} is not in this pod's journal, and the ledger, which has "
        f"those of all pods, does not answer ({error}); try again in some seconds",
        status=503,
        code="ledger_away",
        headers=AWAY,
    )


def _not_arrived(decision_id: str, param: str | None) -> RequestError:
    return RequestError(
        f"decision {decision_id[:SHOWN]!r} is not known here, and the ledger has not got it; if it "
        "was made a moment ago, try again in some seconds",
        status=404,
        param=param,
        code="decision_not_found",
    )


def _unknown(dispatcher: Dispatcher, decision_id: str, param: str | None) -> RequestError:
    code, made = "decision_not_found", made_by(decision_id)
    if made is None:
        why = "it is no decision's name; give the x-tierwise-decision of an answer (d-...)"
    elif made[0] != dispatcher.ids.pod:
        code = "decision_elsewhere"
        why = (
            f"this is router pod {dispatcher.ids.pod!r}, pod {made[0]!r} made it, and there is no "
            "ledger to ask: ask that pod (`tierwise explain` asks every router pod)"
        )
    elif dispatcher.journal is None:
        why = "this router keeps no journal"
    else:
        why = "it was never made, or its file is gone: the journal keeps the newest decisions only"
    return RequestError(
        f"decision {decision_id[:SHOWN]!r} is not known here; {why}",
        status=404,
        param=param,
        code=code,
    )
