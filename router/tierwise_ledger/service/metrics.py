"""The ledger's own health for Prometheus: what it was asked, what it took, how its jobs went."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tierwise_ledger.service.asked import only
from tierwise_ledger.tables.outcomes import OUTCOMES

__all__ = ["ROUTES", "LedgerMetrics", "Watch"]

BUCKETS_S: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
OTHER: Final = "(other)"


class LedgerMetrics:
    """What one ledger process counts.

    >>> metrics = LedgerMetrics()
    >>> metrics.took(new=2, known=1, rejected=0)
    >>> b'tierwise_ledger_records_total{outcome="new"} 2.0' in metrics.exposition()
    True
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._made(
            Counter, "requests", "Requests that were answered.", ("path", "status")
        )
        self._seconds = Histogram(
            "tierwise_ledger_request_seconds", "How long requests took, in seconds.", ("path",),
            registry=self.registry, buckets=BUCKETS_S,
        )  # fmt: skip
        self._records = self._made(
            Counter, "records", "Rows that routers sent: new, known or rejected.", ("outcome",)
        )
        self._jobs = self._made(
            Counter, "jobs", "Jobs that ran, by whether they went well.", ("job", "outcome")
        )
        self._job_at = self._made(
            Gauge, "job_success_timestamp_seconds", "When a job last went well.", ("job",)
        )
        self._newest = self._made(
            Gauge, "newest_outcome_timestamp_seconds", "When the newest outcome was.", ()
        )

    def _made(self, kind: Any, name: str, text: str, labels: tuple[str, ...]) -> Any:
        return kind(f"tierwise_ledger_{name}", text, labels, registry=self.registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def took(self, new: int, known: int, rejected: int) -> None:
        """Count rows that were sent."""
        for outcome, rows in (("new", new), ("known", known), ("rejected", rejected)):
            self._records.labels(outcome).inc(rows)

    def did(self, job: str, outcome: str, now: float) -> None:
        """Count a job that is ``done`` or ``failed``."""
        self._jobs.labels(job, outcome).inc()
        if outcome == "done":
            self._job_at.labels(job).set(now)

    def saw(self, newest_at: float | None) -> None:
        """Note when the newest outcome was."""
        self._newest.set(newest_at or 0.0)

    def exposition(self) -> bytes:
        """Write them as Prometheus reads them."""
        return generate_latest(self.registry)


class Watch:
    """Counts what is asked, by the path as its route has it: names in paths make no series."""

    def __init__(self, app: ASGIApp, metrics: LedgerMetrics, routes: Sequence[BaseRoute]) -> None:
        self._app, self._metrics = app, metrics
        self._paths: Mapping[int, str] = {
            id(route.endpoint): route.path for route in routes if isinstance(route, Route)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it when it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at, status = time.perf_counter(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            path = self._paths.get(id(scope.get("endpoint")), OTHER)
            self._metrics.answered(path, status, time.perf_counter() - began_at)


def _metrics(request: Request) -> Response:
    only(request)
    metrics: LedgerMetrics = request.app.state.metrics
    with request.app.state.store.read() as connection:
        metrics.saw(connection.execute(select(func.max(OUTCOMES.c.at))).scalar())
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


ROUTES = (Route("/metrics", _metrics),)
