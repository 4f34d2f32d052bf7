"""``GET /v1/decisions/ID`` and ``POST /v1/feedback``: what was decided, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from tierwise_core.decision_record import Feedback
from tierwise_core.tenant import TenantRoute
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.journal_files import feedback_of, find_decision, made_by
from tierwise_router.json_body import read_object, wrong_field
from tierwise_router.ledger_client import LedgerAwayError

__all__ = ["DecisionDesk", "read_feedback"]

DECISIONS_PREFIX: Final = "/v1/decisions/"
FEEDBACK: Final = "/v1/feedback"
LARGEST_FEEDBACK: Final = 256 * 1024
KNOWN: Final = ("decision", "accepted", "corrected", "comment")
# Another dispatcher of the pod writes what it decided within this time.
WRITTEN_AFTER_S: Final = 0.4
LOOKS: Final = 2
# The ledger has what another pod decided within this time: it is sent there twice a second.
RECORDED_AFTER_S: Final = (0.3, 0.6, 1.2)
AWAY: Final = ((b"retry-after", b"5"),)
SHOWN: Final = 60


class DecisionDesk:
    """Answers for the decisions that this pod made, and takes feedback on those of others too.

    A client does not choose the router pod that it speaks to. What another one decided the ledger
    knows soon after.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def knows(self, path: str) -> bool:
        """Tell whether a path is answered here."""
        return path == FEEDBACK or path.startswith(DECISIONS_PREFIX)

    def served(self) -> set[tuple[str, str]]:
        """Tell what is served, as (method, path template)."""
        return {("get", f"{DECISIONS_PREFIX}{{decision}}"), ("post", FEEDBACK)}

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request; raises RequestError (401, 404, 405) where there is nothing to tell.

        A tenant is told of its own decisions alone: those of others are unknown to it.
        """
        if exchange.path == FEEDBACK:
            _require(exchange, "POST")
            tenant = self._dispatcher.admission.identify(exchange).tenant
            await self._take_feedback(exchange, tenant)
        else:
            _require(exchange, "GET", "HEAD")
            tenant = self._dispatcher.admission.identify(exchange).tenant
            await self._tell(exchange, exchange.path.removeprefix(DECISIONS_PREFIX), tenant)

    async def _tell(self, exchange: Exchange, decision_id: str, tenant: TenantRoute | None) -> None:
        dispatcher = self._dispatcher
        record = await _find(dispatcher, decision_id, tenant)
        said = await asyncio.to_thread(_feedback, dispatcher, decision_id)
        record["feedback"] = said or await self._said_elsewhere(decision_id)
        await exchange.json(200, record)

    async def _said_elsewhere(self, decision_id: str) -> dict[str, Any] | None:
        """Give the last word that another pod took, as far as the ledger knows it."""
        ledger = self._dispatcher.ledger
        if ledger is None:
            return None
        try:
            outcome = await ledger.outcome(decision_id) or {}
        except LedgerAwayError:
            return None
        if outcome.get("feedback") is None:
            return None
        return Feedback(
            decision_id, outcome["feedback"], at=float(outcome.get("feedback_at") or 0.0)
        ).to_row()

    async def _take_feedback(self, exchange: Exchange, tenant: TenantRoute | None) -> None:
        dispatcher = self._dispatcher
        limit = min(LARGEST_FEEDBACK, dispatcher.settings.max_body_bytes)
        given = read_feedback(await exchange.read_body(limit), time.time())
        recorded = await self._recorded(given.decision, tenant)
        if recorded is None:
            await _find(dispatcher, given.decision, tenant, param="decision")
        before = await asyncio.to_thread(_feedback, dispatcher, given.decision)
        duplicate = _same(Feedback.of(before), given) if before else _is_known(recorded, given)
        if not duplicate and dispatcher.journal is not None:
            dispatcher.journal.record(given)
            await asyncio.to_thread(dispatcher.journal.flush)
        await exchange.json(200, {**given.to_row(), "duplicate": duplicate})

    async def _recorded(
        self, decision_id: str, tenant: TenantRoute | None
    ) -> Mapping[str, Any] | None:
        """Give what the ledger has of a decision of another pod's; None for one to look for here.

        Without tenants nobody can judge what is not theirs: while the ledger is away the word is
        taken, and counts when the decision arrives there.
        """
        ledger, made = self._dispatcher.ledger, made_by(decision_id)
        if ledger is None or made is None or made[0] == self._dispatcher.ids.pod:
            return None
        for pause_s in (0.0, *RECORDED_AFTER_S):
            await asyncio.sleep(pause_s)
            try:
                outcome = await ledger.outcome(decision_id)
            except LedgerAwayError as error:
                if tenant is None:
                    return {}
                raise _away(decision_id, error) from error
            if outcome is not None:
                if tenant is None or outcome.get("tenant") == tenant.key:
                    return outcome
                break
        raise _not_arrived(decision_id)


def _require(exchange: Exchange, *methods: str) -> None:
    if exchange.method not in methods:
        raise RequestError(
            f"{exchange.method} is not possible on {exchange.path[:SHOWN]}; use {methods[0]}",
            status=405,
            code="method_not_allowed",
            headers=((b"allow", ", ".join(methods).encode()),),
        )


def read_feedback(body: bytes, now: float) -> Feedback:
    """Read feedback; raises RequestError naming the field that is wrong.

    >>> read_feedback(b'{"decision": "d-a-b-000001", "accepted": "yes"}', 0.0)
    Traceback (most recent call last):
        ...
    tierwise_router.errors.RequestError: 'accepted' is 'yes'; give true or false
    """
    fields = read_object(body)
    if unknown := sorted(set(fields) - set(KNOWN)):
        raise RequestError(
            f"{unknown[0]!r} is not a field of feedback; it knows {', '.join(KNOWN)}",
            param=unknown[0],
            code="unknown_field",
        )
    decision, accepted = fields.get("decision"), fields.get("accepted")
    if not isinstance(decision, str) or made_by(decision) is None:
        raise wrong_field(fields, "decision", "give the x-tierwise-decision of an answer")
    if not isinstance(accepted, bool):
        raise wrong_field(fields, "accepted", "give true or false")
    for name in ("corrected", "comment"):
        if not isinstance(fields.get(name), str | None):
            raise wrong_field(fields, name, "give a string, or leave it out")
    return Feedback(decision, accepted, fields.get("corrected"), fields.get("comment"), now)


def _same(before: Feedback, given: Feedback) -> bool:
    return (before.accepted, before.corrected, before.comment) == (
        given.accepted,
        given.corrected,
        given.comment,
    )


def _is_known(outcome: Mapping[str, Any] | None, given: Feedback) -> bool:
    """Tell whether the ledger has this word; it tells neither what was right nor comments."""
    if not outcome or given.corrected or given.comment or outcome.get("corrected"):
        return False
    return outcome.get("feedback") is given.accepted


async def _find(
    dispatcher: Dispatcher,
    decision_id: str,
    tenant: TenantRoute | None,
    *,
    param: str | None = None,
) -> dict[str, Any]:
    made = made_by(decision_id)
    if dispatcher.journal is not None and made is not None and made[0] == dispatcher.ids.pod:
        for look in range(LOOKS):
            found = await asyncio.to_thread(_look, dispatcher, decision_id)
            if found is not None and (tenant is None or found.get("tenant") == tenant.key):
                return found
            if found is not None or made[1] == dispatcher.ids.process or look == LOOKS - 1:
                break
            await asyncio.sleep(WRITTEN_AFTER_S)
    raise _unknown(dispatcher, decision_id, param)


def _look(dispatcher: Dispatcher, decision_id: str) -> dict[str, Any] | None:
    journal = dispatcher.journal
    if journal is None:
        return None
    journal.flush()
    return find_decision(journal.directory, decision_id)


def _feedback(dispatcher: Dispatcher, decision_id: str) -> dict[str, Any] | None:
    journal = dispatcher.journal
    return feedback_of(journal.directory, decision_id) if journal is not None else None


def _away(decision_id: str, error: LedgerAwayError) -> RequestError:
    return RequestError(
        f"whose decision {decision_id[:SHOWN]!r} is cannot be told: another pod made it, and the "
        f"ledger does not answer ({error}); say it again in some seconds",
        status=503,
        code="ledger_away",
        headers=AWAY,
    )


def _not_arrived(decision_id: str) -> RequestError:
    return RequestError(
        f"decision {decision_id[:SHOWN]!r} is not known here, and the ledger has not got it; if it "
        "was made a moment ago, say it again in some seconds",
        status=404,
        param="decision",
        code="decision_not_found",
    )


def _unknown(dispatcher: Dispatcher, decision_id: str, param: str | None) -> RequestError:
    shown = decision_id[:SHOWN]
    made = made_by(decision_id)
    code = "decision_not_found"
    if made is None:
        why = "it is no decision's name; give the x-tierwise-decision of an answer (d-...)"
    elif made[0] != dispatcher.ids.pod:
        code = "decision_elsewhere"
        why = (
            f"this is router pod {dispatcher.ids.pod!r}, and pod {made[0]!r} made it: ask that one "
            "(`tierwise explain` asks every router pod)"
        )
    elif dispatcher.journal is None:
        why = "this router keeps no journal"
    else:
        why = "it was never made, or its file is gone: the journal keeps the newest decisions only"
    return RequestError(
        f"decision {shown!r} is not known here; {why}",
        status=404,
        param=param,
        code=code,
    )
