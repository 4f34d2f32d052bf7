"""Whether the ledger is alive and its database answers."""

from __future__ import annotations

from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

__all__ = ["ROUTES"]


async def _healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


def _readyz(request: Request) -> Response:
    with request.app.state.store.read() as connection:
        connection.execute(text("SELECT 1"))
    return PlainTextResponse("ready\n")


ROUTES = (Route("/healthz", _healthz), Route("/readyz", _readyz))
