"""What a tenant left: its contents for who may read them, and the erasure of all of it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_ledger import contents
from tierwise_ledger.erasing import erase_tenant
from tierwise_ledger.errors import NotKnownError
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import only

__all__ = ["ROUTES"]

SHOWN = 60


def _contents(request: Request) -> Response:
    state, name = request.app.state, request.path_params["id"]
    with state.store.read() as connection:
        found = contents.read(connection, state.settings, [name])
    if name not in found:
        raise NotKnownError(
            f"nothing was kept of what {name[:SHOWN]!r} asked and got: it was not configured, has "
            "expired, or was erased",
            field="id",
        )
    return Answer(found[name])


def _erase(request: Request) -> Response:
    only(request, "contents_only")
    state, path = request.app.state, request.path_params
    tenant = f"{path['namespace']}/{path['name']}"
    contents_only = request.query_params.get("contents_only") == "true"
    told = erase_tenant(state.store, tenant, state.clock(), contents_only=contents_only)
    return Answer({"tenant": tenant, **told})


ROUTES = (
    Route("/v1/outcomes/{id}/contents", _contents),
    Route("/v1/tenants/{namespace}/{name}", _erase, methods=["DELETE"]),
)
