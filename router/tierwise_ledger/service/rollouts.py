"""What rollouts are decided by, and what is kept of those that went back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_ledger.errors import RequestError
from tierwise_ledger.learning.failures import Failed, keep_failures
from tierwise_ledger.learning.sides import Sides, SideSums, side_sums
from tierwise_ledger.learning.windows import newest
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import chosen, instant, only
from tierwise_ledger.service.bodies import read_object

__all__ = ["ROUTES"]

SIDES: Final = ("blue", "green")
KNOWN: Final = ("specialist", *SIDES, "since", "until", "latency_since", "field", "feedback")
FAILED: Final = ("rollout", "specialist", "revisions", "since", "until", "reason")
MOST_REASON: Final = 1024
SHOWN: Final = 60
SETTLED_S: Final = 2.0
"""So long routers may take to tell of an answer: then the latencies of a window are all there."""
LATENCY_S: Final = 3600.0
"""Histograms of at most the last hour are read: a rollout may take weeks."""


def _sums(request: Request) -> Response:
    only(request, *KNOWN)
    now = request.app.state.clock()
    sides = _sides(request, now)
    with request.app.state.store.read() as connection:
        found = side_sums(connection, sides)
        latest = newest(connection)
    fields = _fields(found)
    return Answer(
        {
            "since": sides.begin,
            "until": now if sides.until is None else sides.end,
            "latencySince": sides.latency[0],
            "latencyUntil": max(sides.latency),
            "newest": latest,
            "field": fields[0] if fields else "",
            "fields": fields,
            **{name: side.to_row() for name, side in found.items()},
        }
    )


def _fields(found: dict[str, SideSums]) -> list[str]:
    """Name the fields that were asked, the one with most answers first."""
    asked: Counter[str] = Counter()
    for side in found.values():
        asked.update(side.asked)
    return sorted(asked, key=lambda one: (-asked[one], one))


def _sides(request: Request, now: float) -> Sides:
    given = request.query_params
    specialist = given.get("specialist") or ""
    if not specialist:
        raise RequestError("specialist is not there; give it as NAMESPACE/NAME", field="specialist")
    since = _instant(request, "since", now)
    if since is None:
        raise RequestError(
            "since is not there; give when the canary began, in seconds since the epoch",
            field="since",
        )
    until = _instant(request, "until", now)
    if until is not None and until <= since:
        raise RequestError(
            f"since is {since:.0f} and until is {until:.0f}; until must be later", field="until"
        )
    end = now if until is None else until
    asked_latency = _instant(request, "latency_since", now)
    latency = max(since if asked_latency is None else asked_latency, end - LATENCY_S)
    return Sides(
        specialist, _revisions(request), since, latency, until, given.get("field") or None,
        feedback="false" not in chosen(request, "feedback", ("true", "false")),
        latency_until=end - SETTLED_S,
    )  # fmt: skip


def _revisions(request: Request) -> dict[str, tuple[str, ...]]:
    found = {name: _named(request, name) for name in SIDES}
    if both := sorted(set(found["blue"]) & set(found["green"])):
        raise RequestError(
            f"revision {both[0]!r} is on both sides; give each to one of blue and green",
            field="green",
        )
    return found


def _named(request: Request, name: str) -> tuple[str, ...]:
    texts = request.query_params.getlist(name)
    words = (word.strip() for text in texts for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def _instant(request: Request, name: str, now: float) -> float | None:
    text: Any = request.query_params.get(name)
    return instant(text, now, name) if text else None


async def _keep(request: Request) -> Response:
    failed = _failed(await read_object(request), request.app.state.clock())
    return await run_in_threadpool(_kept, request, failed)


def _kept(request: Request, failed: Failed) -> Response:
    state = request.app.state
    with state.store.begin() as connection:
        kept = keep_failures(connection, failed, state.clock())
    return Answer({"rollout": failed.rollout, **kept.to_row()})


def _failed(said: Mapping[str, Any], now: float) -> Failed:
    if unknown := sorted(set(said) - set(FAILED)):
        raise RequestError(
            f"{unknown[0][:SHOWN]!r} is not known here; give {', '.join(FAILED)}", field=unknown[0]
        )
    revisions = said.get("revisions")
    if not isinstance(revisions, list) or not revisions or not all(map(_is_text, revisions)):
        raise _wrong(said, "revisions", "give the list of revisions that went back")
    since, until = (_seconds(said, name, now) for name in ("since", "until"))
    if since >= until:
        raise _wrong(said, "until", f"give a time after since, which is {since:.0f}")
    rollout, specialist = (_text(said, name) for name in ("rollout", "specialist"))
    reason = said.get("reason") or ""
    if not isinstance(reason, str):
        raise _wrong(said, "reason", "give a text, or leave it out")
    return Failed(rollout, specialist, tuple(revisions), since, until, reason[:MOST_REASON])


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not _is_text(value):
        raise _wrong(said, name, "give it as NAMESPACE/NAME")
    return str(value)


def _seconds(said: Mapping[str, Any], name: str, now: float) -> float:
    """Read an instant; without an end all until now counts."""
    value = said.get(name)
    if value is None and name == "until":
        return now + LATENCY_S
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(said, name, "give seconds since the epoch")
    return float(value)


def _wrong(said: Mapping[str, Any], name: str, right: str) -> RequestError:
    return RequestError(f"{name} is {str(said.get(name))[:SHOWN]!r}; {right}", field=name)


ROUTES = (
    Route("/v1/rollouts/sums", _sums, methods=["GET"]),
    Route("/v1/rollouts/failures", _keep, methods=["POST"]),
)
