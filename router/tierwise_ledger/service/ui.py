"""The page: static files that anybody may load, and what they show behind the token.

The files hold no data and ask no other host; the policy that goes with each of them makes the
browser hold them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tierwise_core.attribution import IdlePolicy
from tierwise_core.cost_report import Dimension
from tierwise_ledger.errors import NotKnownError, RequestError
from tierwise_ledger.seeing import costs, decisions, fleet, paths, rollouts, trust, waiting
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import Span, chosen, only, span, whole

__all__ = ["PREFIX", "ROUTES", "open_to_all"]

PREFIX: Final = "/ui"
FOLDER: Final = Path(__file__).parents[1] / "ui"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}
MOST_DECISIONS: Final = 200


class _File(NamedTuple):
    body: bytes
    kind: str
    tag: str


def _files() -> Mapping[str, _File]:
    """Read them once; what is not here is not served, whatever a path says."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            body = path.read_bytes()
            tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
            name = path.relative_to(FOLDER).as_posix()
            found[name] = _File(body, TYPES[path.suffix], tag)
    return MappingProxyType(found)


FILES: Final = _files()


def open_to_all(path: str) -> bool:
    """Tell whether a path is one of the page's own files, which need no token."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


async def _to_page(request: Request) -> Response:
    # Relative, so that it also works behind an API server's proxy, which has a prefix of its own.
    return RedirectResponse(f"{request.url.path.rpartition('/')[2]}/", 308, HEADERS)


async def _file(request: Request) -> Response:
    name = request.path_params["name"] or "index.html"
    file = FILES.get(name)
    if file is None:
        raise NotKnownError(f"the page has no file {name[:80]!r}", field="path")
    headers = {**HEADERS, "etag": file.tag, "content-type": file.kind}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers=headers)


Reading = Callable[[Request, Connection], Any]


def _data(name: str, read: Reading, *parameters: str) -> Route:
    """Answer with what a function reads; a parameter that it does not know is an error."""

    def answer(request: Request) -> Response:
        only(request, *parameters)
        with request.app.state.store.read() as connection:
            return Answer(read(request, connection))

    return Route(f"/v1/ui/{name}", answer)


def _chosen(request: Request, *names: str) -> dict[str, str]:
    return {one: value for one in names if (value := request.query_params.get(one)) is not None}


def _needed(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if value is None:
        raise RequestError(f"{name} is missing; give a value", field=name)
    return value


def _to_now(request: Request) -> Span:
    """Read the time; what has no end asked for ends now, not at the end of the hour."""
    found = span(request)
    now = request.app.state.clock()
    return found if request.query_params.get("until") else Span(found.since, now)


def _costs(request: Request, connection: Connection) -> Any:
    by = cast("Dimension", (chosen(request, "by", costs.BY) or ["field"])[0])
    policy = cast("IdlePolicy", (chosen(request, "idle", costs.IDLE) or ["holder"])[0])
    return costs.cost_over_time(connection, _to_now(request), by, policy)


def _decisions(request: Request, connection: Connection) -> Any:
    most = whole(request, "limit", 50, most=MOST_DECISIONS)
    those = _chosen(request, *decisions.CHOICES)
    return {"decisions": decisions.newest(connection, _to_now(request), those, most)}


def _rollouts(request: Request, connection: Connection) -> Any:
    if "specialist" not in request.query_params:
        return {"specialists": rollouts.specialists(connection, _to_now(request))}
    specialist, field = _needed(request, "specialist"), _needed(request, "field")
    return rollouts.revisions(connection, _to_now(request), specialist, field)


TIME: Final = ("since", "until")
ROUTES = (
    Route(PREFIX, _to_page),
    Route(f"{PREFIX}/{{name:path}}", _file),
    _data("fleet", lambda _request, connection: fleet.newest(connection)),
    _data(
        "paths",
        lambda request, connection: paths.flow(
            connection, _to_now(request), _chosen(request, "tenant", "field")
        ),
        *TIME, "tenant", "field",
    ),
    _data("costs", _costs, *TIME, "by", "idle"),
    _data("decisions", _decisions, *TIME, "limit", *decisions.CHOICES),
    _data(
        "decisions/{id}",
        lambda request, connection: decisions.whole_story(connection, request.path_params["id"]),
    ),
    _data(
        "calibration",
        lambda request, connection: trust.reliability(
            connection, _to_now(request), _chosen(request, "specialist", "field")
        ),
        *TIME, "specialist", "field",
    ),
    _data(
        "waiting",
        lambda request, connection: waiting.waiting(connection, _to_now(request)),
        *TIME,
    ),
    _data("rollouts", _rollouts, *TIME, "specialist", "field"),
)  # fmt: skip
