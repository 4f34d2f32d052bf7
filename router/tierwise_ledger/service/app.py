"""The application: the routes of every area, who may ask, and what errors look like."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tierwise_core.errors import TierwiseError
from tierwise_ledger.background import JOBS, Background, Job
from tierwise_ledger.errors import CorruptError, LedgerError
from tierwise_ledger.service import (
    audit,
    budgets,
    cost,
    exports,
    health,
    learning,
    metrics,
    outcomes,
    records,
    rollouts,
    status,
    tenants,
    ui,
    windows,
)
from tierwise_ledger.service.answers import Answer, error_body
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

__all__ = ["ROUTES", "build"]

log = structlog.get_logger(__name__)

ROUTES: Sequence[BaseRoute] = (
    *budgets.ROUTES,
    *cost.ROUTES,
    *health.ROUTES,
    *metrics.ROUTES,
    *outcomes.ROUTES,
    *records.ROUTES,
    *rollouts.ROUTES,
    *status.ROUTES,
    *tenants.ROUTES,
    *windows.ROUTES,
    *audit.ROUTES,
    *learning.ROUTES,
    *exports.ROUTES,
    *ui.ROUTES,
)
"""All routes: one line per area."""

OPEN = frozenset({"/healthz", "/readyz"})


def build(
    store: Store,
    settings: Settings,
    *,
    clock: Callable[[], float] = time.time,
    jobs: Sequence[Job] = JOBS,
    on_corrupt: Callable[[], None] = lambda: None,
) -> Starlette:
    """Build the application; its jobs run as long as it does.

    ``on_corrupt`` is called when the database turns out to be damaged. A handler finds ``store``,
    ``settings`` and ``clock`` (seconds since the epoch) in ``request.app.state``.
    """
    watched = metrics.LedgerMetrics()

    @asynccontextmanager
    async def working(_app: Starlette) -> AsyncIterator[None]:
        with Background(store, settings, clock, jobs, watched.did):
            yield

    app = Starlette(
        lifespan=working,
        routes=list(ROUTES),
        middleware=[
            Middleware(metrics.Watch, metrics=watched, routes=ROUTES),
            Middleware(_TokenCheck, token=settings.token),
        ],
        exception_handlers={
            TierwiseError: _on_error,
            HTTPException: _on_http,
            Exception: _on_bug,
        },
    )
    app.state.store, app.state.settings, app.state.clock = store, settings, clock
    app.state.on_corrupt, app.state.metrics = on_corrupt, watched
    return app


class _TokenCheck:
    """Lets nobody in who does not show the token; health and the empty page are for everybody."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._expected or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        # An API server's proxy keeps the header "authorization" to itself.
        headers = dict(scope["headers"])
        shown = headers.get(b"authorization") or b"Bearer " + headers.get(b"x-api-key", b"")
        if hmac.compare_digest(shown, self._expected):
            await self._app(scope, receive, send)
            return
        said = "the ledger's token is missing or wrong; send it as 'authorization: Bearer TOKEN'"
        answer = Answer(error_body(said, "unauthorized", "authorization"), 401)
        await answer(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN or ui.open_to_all(path)


def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, CorruptError):
        log.error("the database is damaged", error=str(error))
        request.app.state.on_corrupt()
    status = error.status if isinstance(error, LedgerError) else 400
    field = error.field if isinstance(error, LedgerError) else None
    kind = error.reason if isinstance(error, TierwiseError) else "Failed"
    return Answer(error_body(str(error), kind, field), status)


def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers: Mapping[str, Any] = getattr(error, "headers", None) or {}
    path = request.url.path
    said = {
        404: f"there is nothing at {path[:200]}; see GET / for what there is",
        405: f"{request.method} is not possible on {path[:200]}; use {headers.get('Allow')}",
    }.get(status, str(error))
    return Answer(error_body(said, "InvalidRequest", None), status, dict(headers))


def _on_bug(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return Answer(error_body("internal error; the ledger's log has it", "Internal", None), 500)
