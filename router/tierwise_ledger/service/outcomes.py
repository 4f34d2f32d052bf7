"""Outcomes: listed, looked up, summed; and what people say of them."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_core.decision_record import FEEDBACK_KIND
from tierwise_ledger.choosing import FILTERS, Choice
from tierwise_ledger.errors import RequestError
from tierwise_ledger.ingest import ingest
from tierwise_ledger.listing import list_outcomes
from tierwise_ledger.reading import GROUPS, find_outcome, is_known, summarise
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import chosen, only, span, whole

__all__ = ["ROUTES", "filters"]

LARGEST_PAGE = 1000
LARGEST_WORD = 256 * 1024
KNOWN = ("decision", "accepted", "corrected", "comment", "source")


def filters(request: Request, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Read what outcomes are chosen by: ``tenant=demo/a``, several times for one or the other."""
    asked = request.query_params
    return {name: asked.getlist(name) for name in names if asked.getlist(name)}


def _list(request: Request) -> Response:
    only(request, *FILTERS, "since", "until", "limit", "after")
    window, limit = span(request), whole(request, "limit", 50, most=LARGEST_PAGE)
    with request.app.state.store.read() as connection:
        rows, more = list_outcomes(
            connection,
            Choice(window.since, window.until, filters(request, FILTERS)),
            limit=limit,
            after=request.query_params.get("after", ""),
        )
    return Answer({"outcomes": rows, "next": more or None})


def _one(request: Request) -> Response:
    with request.app.state.store.read() as connection:
        return Answer(find_outcome(connection, request.path_params["id"]))


def _sum(request: Request) -> Response:
    labels = tuple(name for name in GROUPS if name != "hour")
    only(request, *labels, "by", "since", "until")
    by, window = chosen(request, "by", GROUPS), span(request)
    choice = Choice(window.since, window.until, filters(request, labels))
    with request.app.state.store.read() as connection:
        rows = summarise(connection, by, choice)
    return Answer({"by": by, "since": window.since, "until": window.until, "sums": rows})


async def _say(request: Request) -> Response:
    said = _word(await request.body())
    return await run_in_threadpool(_take, request, said)


def _take(request: Request, said: dict[str, Any]) -> Response:
    state = request.app.state
    now = state.clock()
    row = {"kind": FEEDBACK_KIND, **said, "at": now}
    with state.store.begin() as connection:
        taken = ingest(connection, [row], received_at=now)
        if taken.rejected:
            raise RequestError(taken.rejected[0])
        known = is_known(connection, said["decision"])
    return Answer({**row, "duplicate": not taken.new, "known": known})


def _word(body: bytes) -> dict[str, Any]:
    """Read feedback; raises RequestError naming the field that is wrong.

    >>> _word(b'{"decision": "d-a-b-000001", "accepted": "yes"}')
    Traceback (most recent call last):
        ...
    tierwise_ledger.errors.RequestError: accepted is 'yes'; give true or false
    """
    if len(body) > LARGEST_WORD:
        raise RequestError(f"the body is larger than {LARGEST_WORD // 1024} KiB")
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise RequestError("the body is no object; give {'decision': ID, 'accepted': true}")
    if unknown := sorted(set(said) - set(KNOWN)):
        raise RequestError(
            f"{unknown[0]!r} is not a field of feedback; it knows {', '.join(KNOWN)}",
            field=unknown[0],
        )
    if not isinstance(said.get("accepted"), bool):
        raise _wrong(said, "accepted", "give true or false")
    if not isinstance(said.get("decision"), str) or not said["decision"]:
        raise _wrong(said, "decision", "give the x-tierwise-decision of an answer")
    for name in ("corrected", "comment", "source"):
        if not isinstance(said.get(name), str | None):
            raise _wrong(said, name, "give a string, or leave it out")
    return said


def _wrong(said: dict[str, Any], name: str, right: str) -> RequestError:
    return RequestError(f"{name} is {said.get(name)!r}; {right}", field=name)


ROUTES = (
    Route("/v1/outcomes", _list),
    Route("/v1/outcomes/{id}", _one),
    Route("/v1/summary", _sum),
    Route("/v1/feedback", _say, methods=["POST"]),
)
