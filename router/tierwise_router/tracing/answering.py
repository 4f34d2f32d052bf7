"""An application that traces the requests it answers."""

from __future__ import annotations

import time
from random import Random
from typing import Final

from tierwise_router.app import App
from tierwise_router.decision import Decision
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.exchange import Exchange
from tierwise_router.tracing.context import CURRENT, Trace, read_parent
from tierwise_router.tracing.exporting import Exporter, Finished, SpanSink, otlp_sink

__all__ = ["TracedApp", "app_of"]

CLIENT_GONE: Final = 499


def app_of(dispatcher: Dispatcher) -> App:
    """Make the application: one that traces where an endpoint for traces is set.

    Raises SettingsError where there is one, and OpenTelemetry is not installed.
    """
    settings = dispatcher.settings
    if not settings.otlp_endpoint:
        return App(dispatcher)
    ids = dispatcher.ids
    return TracedApp(dispatcher, otlp_sink(settings.otlp_endpoint, f"{ids.pod}-{ids.process}"))


class TracedApp(App):
    """Answers as :class:`App` does, and puts each traced request's spans into the exporter's line.

    A request that says whether it is sampled is obeyed; of the others a share is, ``trace_share``.
    A request of our own (a pattern's part) belongs to the trace of the one that needs it.
    """

    def __init__(self, dispatcher: Dispatcher, sink: SpanSink, ids: Random | None = None) -> None:
        super().__init__(dispatcher)
        self._tally = dispatcher.tally
        self._share = dispatcher.settings.trace_share
        self._ids = ids or Random()  # noqa: S311 - names spans, guards nothing
        self.exporter = Exporter(sink, self._tally.traces)
        self.exporter.start()

    def close(self) -> None:
        """Send what has not been sent yet; blocks, ten seconds at most."""
        self.exporter.close()

    async def _infer(self, exchange: Exchange, decision: Decision, endpoint: str) -> None:
        trace = self._begin(exchange)
        if trace is None:
            await super()._infer(exchange, decision, endpoint)
            return
        token = CURRENT.set(trace)
        try:
            await super()._infer(exchange, decision, endpoint)
        finally:
            CURRENT.reset(token)
            status = exchange.status or CLIENT_GONE
            ended_ns = time.time_ns()
            self.exporter.put(Finished(trace, decision, exchange.path, status, ended_ns))

    def _count(self, decision: Decision, endpoint: str, status: int, took_s: float) -> None:
        super()._count(decision, endpoint, status, took_s)
        trace = CURRENT.get()
        if trace is not None:
            specialist = decision.steps[-1].hop.route.key if decision.steps else ""
            self._tally.exemplify(specialist, took_s, f"{trace.trace_id:032x}", time.time())

    def _begin(self, exchange: Exchange) -> Trace | None:
        ids, around = self._ids, CURRENT.get()
        if around is not None and exchange.work() is not None:
            return Trace(around.trace_id, _span_id(ids), around.span_id, time.time_ns(), ids)
        parent = read_parent(exchange.headers)
        if parent is None:
            if ids.random() >= self._share:
                return None
            return Trace(ids.getrandbits(128) or 1, _span_id(ids), 0, time.time_ns(), ids)
        if not parent.sampled:
            return None
        return Trace(parent.trace_id, _span_id(ids), parent.span_id, time.time_ns(), ids)


def _span_id(ids: Random) -> int:
    return ids.getrandbits(64) or 1
