"""The ASGI application of a dispatcher: paths, errors, counts."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from itertools import pairwise
from typing import Any, Final

import structlog

from tierwise_core.decision_record import SHADOW
from tierwise_core.errors import TierwiseError
from tierwise_core.route_split import BLUE
from tierwise_core.route_table import AUTO_MODEL
from tierwise_router.call import RESPONSES
from tierwise_router.completions import answer_completion
from tierwise_router.decision import NEVER_ASKED, Decision
from tierwise_router.decisions import DecisionDesk
from tierwise_router.desk import Desk
from tierwise_router.desk.reading_ahead import (
    LARGEST_READ_AHEAD,
    is_for_later,
    may_be_for_later,
)
from tierwise_router.dispatcher import Dispatcher, Phase
from tierwise_router.errors import ErrorAnswer, answer_for
from tierwise_router.exchange import JSON_TYPE, ClientGoneError, Exchange, Receive, Send
from tierwise_router.exposition import exposition
from tierwise_router.hindsight import Hindsight
from tierwise_router.journal_turn import Turn
from tierwise_router.models import list_models, one_model
from tierwise_router.openapi import DOCUMENT
from tierwise_router.patterns.answer import PATTERN
from tierwise_router.patterns.shadows import Shadows, note_comparison
from tierwise_router.planning import end
from tierwise_router.query import answer_query
from tierwise_router.surface import PATHS
from tierwise_router.taken_shares import agreed_shares
from tierwise_router.unseen import Unseen

__all__ = ["App"]

log = structlog.get_logger(__name__)

Handler = Callable[[Exchange, Decision], Awaitable[None]]

CLIENT_GONE: Final = 499
REQUEST_ID: Final = re.compile(rb"[\x21-\x7e]{1,128}")
PLAIN_TEXT: Final = [(b"content-type", b"text/plain; charset=utf-8")]
CLOSE: Final = (b"connection", b"close")
MODELS_PREFIX: Final = "/v1/models/"
INFERENCE: Final = {**PATHS, "/query": "/query"}


class App:
    """Answers HTTP for one dispatcher replica."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        dispatcher.app = self
        self.desk = Desk(dispatcher, self)
        dispatcher.keep = self.desk.keep
        self.decisions = DecisionDesk(dispatcher)
        dispatcher.shadows = Shadows(
            self, lambda row: note_comparison(dispatcher.journal, row), dispatcher.tally.compared
        )
        self.unseen = dispatcher.unseen = Unseen(dispatcher, Hindsight(dispatcher))
        self._get: dict[str, Handler] = {
            "/v1/models": self._models,
            "/v1/rollouts": self._rollouts,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
        }

    def close(self) -> None:
        """End what runs beside the requests; blocks. Here that is nothing."""

    def served(self) -> set[tuple[str, str]]:
        """Tell what is served, as (method, path template); the published document has the same."""
        return {
            *(("post", path) for path in INFERENCE),
            *(("get", path) for path in self._get),
            ("get", f"{MODELS_PREFIX}{{model}}"),
            *self.decisions.served(),
            *self.desk.served(),
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "http":
            await self.answer(Exchange(scope, receive, send, b""))

    def answer(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Answer one request, once what this gives is awaited."""
        # What only hands on is no coroutine of its own: each costs with every wait of a request.
        decision = Decision(self._dispatcher.ids.next())
        given = exchange.header(b"x-request-id")
        exchange.request_id = given if given and REQUEST_ID.fullmatch(given) else decision.id
        exchange.extra = [(b"x-request-id", exchange.request_id)]
        if self._dispatcher.phase is not Phase.SERVE:
            # Clients that keep connections must find another pod before this one closes.
            exchange.extra.append(CLOSE)
        endpoint = INFERENCE.get(exchange.path) if exchange.method == "POST" else None
        if endpoint is not None:
            return self._infer(exchange, decision, endpoint)
        return self._route(exchange, decision)

    async def _route(self, exchange: Exchange, decision: Decision) -> None:
        path, method = exchange.path, exchange.method
        if path in INFERENCE:
            await _wrong_method(exchange, path, "POST")
        elif self.desk.knows(path):
            await self._at_desk(self.desk, exchange, decision)
        elif self.decisions.knows(path):
            await self._at_desk(self.decisions, exchange, decision)
        elif (handler := self._handler(path)) is None:
            await exchange.error(ErrorAnswer(404, _unknown_path(path), code="unknown_path"))
        elif method in {"GET", "HEAD"}:
            await handler(exchange, decision)
        else:
            await _wrong_method(exchange, path, "GET")

    async def _at_desk(
        self, desk: Desk | DecisionDesk, exchange: Exchange, decision: Decision
    ) -> None:
        try:
            await desk.answer(exchange)
        except ClientGoneError:
            pass
        except TierwiseError as error:
            await self._fail(exchange, decision, error)
        except Exception:  # a mistake of ours is one client's 500, and in the log
            log.exception("request failed", path=exchange.path)
            await self._fail(exchange, decision, TierwiseError("internal error"))

    def _handler(self, path: str) -> Handler | None:
        return self._model if path.startswith(MODELS_PREFIX) else self._get.get(path)

    async def _infer(self, exchange: Exchange, decision: Decision, endpoint: str) -> None:
        tally = self._dispatcher.tally
        began_at = time.perf_counter()
        tally.in_flight += 1
        status = CLIENT_GONE

        def note(status: int) -> Turn | None:
            took_s = time.perf_counter() - began_at
            self._count(decision, endpoint, status, took_s)
            turn = end(self._dispatcher, decision, endpoint, status, took_s)
            if turn is None or tally.in_flight > 1:
                return turn
            turn.end()  # nobody else could end in this turn
            return None

        # Right before the client has all of its answer: who kills us then finds it written down.
        exchange.before_end = lambda: note(exchange.status)
        try:
            await self._answer(exchange, decision, endpoint)
            status = exchange.status
        except ClientGoneError:
            pass
        except TierwiseError as error:
            status = await self._fail(exchange, decision, error)
        except Exception:  # likewise
            log.exception("request failed", decision=decision.id.decode())
            status = await self._fail(exchange, decision, TierwiseError("internal error"))
        finally:
            tally.in_flight -= 1
            if exchange.before_end is not None:
                exchange.before_end = None
                if (turn := note(status)) is not None:
                    turn.end()

    async def _answer(self, exchange: Exchange, decision: Decision, endpoint: str) -> None:
        admission, body, later = self._dispatcher.admission, None, False
        if endpoint == RESPONSES and may_be_for_later(exchange):
            admission.identify(exchange)
            most = min(LARGEST_READ_AHEAD, self._dispatcher.settings.max_body_bytes)
            body = await exchange.read_body(most)
            later = is_for_later(body)
        keeps = endpoint != "/query"
        try:
            slot = await admission.enter(exchange, keeps=keeps, later=later)
        except TierwiseError:
            decision.tenant = admission.identify(exchange).tenant
            raise
        decision.slot = slot
        admitted = decision.admitted = slot.admitted
        decision.tenant, decision.latency_class = admitted.tenant, admitted.latency_class
        work, contents = exchange.work(), self._dispatcher.contents
        if work is not None and work.shadow_of:
            decision.pattern, decision.parts = SHADOW, [work.shadow_of]
        elif work is not None:
            # The parts of a pattern's answer: its own decision is the client's request.
            decision.pattern = exchange.header(PATTERN).decode()
        if contents.wants(admitted.tenant_key):
            exchange.said = decision.said = []
        try:
            if endpoint == "/query":
                await answer_query(self._dispatcher, exchange, decision)
            else:
                await answer_completion(self._dispatcher, exchange, decision, endpoint, body)
        finally:
            slot.release()

    async def _fail(self, exchange: Exchange, decision: Decision, error: TierwiseError) -> int:
        answer = answer_for(error)
        decision.reason = answer.code or ""
        if exchange.status and not exchange.open:
            # Too late for an error: leaving the answer unfinished makes the server cut the
            # connection, and the client sees that it is incomplete.
            log.warning("answer cut short", decision=decision.id.decode(), error=str(error))
            return answer.status
        exchange.extra += decision.headers()
        await exchange.error(answer)
        return answer.status

    def _count(self, decision: Decision, endpoint: str, status: int, took_s: float) -> None:
        tally = self._dispatcher.tally
        steps = decision.steps
        specialist = steps[-1].hop.route.key if steps else ""
        alone = len(steps) < 2 or all(one.hop.route.key == specialist for one in steps)  # noqa: PLR2004
        named = bool(steps) and alone and steps[0].hop.reason == "named by the request"
        model = "named" if named else AUTO_MODEL if steps else ""
        tally.requests[endpoint, model, specialist, status] += 1
        if steps and steps[-1].hop.route.split is not None:
            tally.sides[specialist, steps[-1].side or BLUE, status] += 1
        tally.durations[specialist].add(took_s)
        tally.cost_usd[specialist] += decision.cost_usd
        for one, other in () if alone else pairwise(steps):
            failed = one.failure if one.failure in NEVER_ASKED else "failed"
            why = failed if one.failure else "below_floor"
            tally.escalations[one.hop.route.key, other.hop.route.key, why] += 1

    async def _models(self, exchange: Exchange, decision: Decision) -> None:
        try:
            admitted = self._dispatcher.admission.identify(exchange)
            listed = list_models(self._dispatcher.current_brain().table, admitted)
        except TierwiseError as error:
            await self._fail(exchange, decision, error)
        else:
            await exchange.json(200, listed)

    async def _model(self, exchange: Exchange, decision: Decision) -> None:
        name = exchange.path.removeprefix(MODELS_PREFIX)
        try:
            admitted = self._dispatcher.admission.identify(exchange)
            found = one_model(self._dispatcher.current_brain().table, name, admitted)
        except TierwiseError as error:
            await self._fail(exchange, decision, error)
        else:
            await exchange.json(200, found)

    async def _rollouts(self, exchange: Exchange, decision: Decision) -> None:
        try:
            shares = await agreed_shares(self._dispatcher)
        except TierwiseError as error:
            await self._fail(exchange, decision, error)
        else:
            await exchange.json(200, shares)

    async def _healthz(self, exchange: Exchange, _decision: Decision) -> None:
        await exchange.whole(200, PLAIN_TEXT, b"ok\n")

    async def _readyz(self, exchange: Exchange, _decision: Decision) -> None:
        dispatcher = self._dispatcher
        if dispatcher.ready:
            await exchange.whole(200, PLAIN_TEXT, b"ready\n")
        elif dispatcher.brain is None:
            await exchange.whole(503, PLAIN_TEXT, b"not ready: no route table yet\n")
        else:
            await exchange.whole(503, PLAIN_TEXT, b"not ready: shutting down\n")

    async def _metrics(self, exchange: Exchange, _decision: Decision) -> None:
        text, kind = await asyncio.to_thread(
            exposition, self._dispatcher, exchange.header(b"accept")
        )
        await exchange.whole(200, [(b"content-type", kind)], text)

    async def _openapi(self, exchange: Exchange, _decision: Decision) -> None:
        await exchange.whole(200, [JSON_TYPE], DOCUMENT)


async def _wrong_method(exchange: Exchange, path: str, right: str) -> None:
    message = f"{exchange.method} is not possible on {path}; use {right}"
    headers = ((b"allow", right.encode()),)
    await exchange.error(ErrorAnswer(405, message, code="method_not_allowed", headers=headers))


def _unknown_path(path: str) -> str:
    kept = ["/v1/files", "/v1/batches", "/v1/background"]
    known = ", ".join(
        [*INFERENCE, *kept, "/v1/models", "/healthz", "/readyz", "/metrics", "/openapi.json"]
    )
    return f"there is nothing at {path[:200]}; this router knows {known}"
