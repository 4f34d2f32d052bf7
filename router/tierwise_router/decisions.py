"""``GET /v1/decisions/ID`` and ``POST /v1/feedback``: what was decided, and what came of it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from tierwise_core.decision_record import Feedback
from tierwise_core.tenant import TenantRoute
from tierwise_router.decision_lookup import find
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.journal_files import made_by
from tierwise_router.json_body import read_object, wrong_field

__all__ = ["DecisionDesk", "read_feedback"]

DECISIONS_PREFIX: Final = "/v1/decisions/"
FEEDBACK: Final = "/v1/feedback"
LARGEST_FEEDBACK: Final = 256 * 1024
KNOWN: Final = ("decision", "accepted", "corrected", "comment")
SHOWN: Final = 60


class DecisionDesk:
    """Answers for decisions, and takes feedback on them, whichever pod made them.

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
        """Answer one request; raises RequestError (401, 404, 405, 503) where there is no answer."""
        if exchange.path == FEEDBACK:
            _require(exchange, "POST")
            tenant = self._dispatcher.admission.identify(exchange).tenant
            await self._take_feedback(exchange, tenant)
        else:
            _require(exchange, "GET", "HEAD")
            tenant = self._dispatcher.admission.identify(exchange).tenant
            await self._tell(exchange, exchange.path.removeprefix(DECISIONS_PREFIX), tenant)

    async def _tell(self, exchange: Exchange, decision_id: str, tenant: TenantRoute | None) -> None:
        found = await find(self._dispatcher, decision_id, tenant)
        said = found.said.to_row() if found.said is not None else None
        await exchange.json(200, {**(found.record or {}), "feedback": said})

    async def _take_feedback(self, exchange: Exchange, tenant: TenantRoute | None) -> None:
        dispatcher = self._dispatcher
        limit = min(LARGEST_FEEDBACK, dispatcher.settings.max_body_bytes)
        given = read_feedback(await exchange.read_body(limit), time.time())
        found = await find(dispatcher, given.decision, tenant, judged=True)
        # While the ledger is away another pod may have heard the contrary: then a word is no
        # repetition. The ledger leaves out those that are.
        duplicate = found.sure and found.said is not None and _same(found.said, given)
        if not duplicate and dispatcher.journal is not None:
            dispatcher.journal.record(given)
            await asyncio.to_thread(dispatcher.journal.flush)
        await exchange.json(200, {**given.to_row(), "duplicate": duplicate})


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
