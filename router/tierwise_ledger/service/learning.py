"""What was learned, over HTTP: claims, calibration, drift."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_ledger.errors import RequestError
from tierwise_ledger.learning.answered import asked_in
from tierwise_ledger.learning.assertions import (
    claims_of_query,
    contradiction_rates,
    questions_at_odds,
)
from tierwise_ledger.learning.calibrating import BUDGET, calibration_reports, stored_reports
from tierwise_ledger.learning.drifting import drift
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import Span, instant, only, share, span, whole

__all__ = ["ROUTES"]

MONTH: Final = "30d"
DAY: Final = "24h"
WEEK_S: Final = 7 * 86_400.0
MOST_QUESTIONS: Final = 500
SHOWN: Final = 60


def _claims(request: Request) -> Response:
    only(request, "query", "specialist", "field", "since", "until", "limit")
    given = request.query_params
    when = span(request, MONTH)
    whose = (given.get("specialist"), given.get("field"))
    with request.app.state.store.read() as connection:
        if given.get("query"):
            return Answer({"claims": claims_of_query(connection, given["query"], when)})
        limit = whole(request, "limit", 50, most=MOST_QUESTIONS)
        return Answer(
            {
                "rates": contradiction_rates(connection, when, *whose),
                "atOdds": questions_at_odds(connection, when, *whose, limit),
            }
        )


def _calibration(request: Request) -> Response:
    """Refit now for the time that is asked for; without one, give the last scheduled refit."""
    only(request, "specialist", "field", "since", "until", "budget")
    given = request.query_params
    whose: dict[str, Any] = {"specialist": given.get("specialist"), "field": given.get("field")}
    budget = share(request, "budget", BUDGET, "answers that may escalate")
    with request.app.state.store.read() as connection:
        if not {"since", "until", "budget"} & given.keys():
            kept = stored_reports(connection, **whose)
            if kept:
                return Answer({"scheduled": True, "calibrations": kept})
        when = span(request, MONTH)
        found = calibration_reports(connection, when.since, when.until, **whose, budget=budget)
    return Answer({"scheduled": False, "calibrations": found})


def _asked(request: Request) -> Response:
    """List who was asked in which field: whoever refits everybody can then go one by one."""
    only(request, "specialist", "field", "since", "until")
    given, when = request.query_params, span(request, MONTH)
    with request.app.state.store.read() as connection:
        found = asked_in(
            connection, when.since, when.until, given.get("specialist"), given.get("field")
        )
    return Answer({"asked": [{"specialist": name, "field": field} for name, field in found]})


def _drift(request: Request) -> Response:
    """Compare the last day, or the time that is asked for, with the seven days before it."""
    only(request, "side", "name", "since", "until", "before", "all")
    given = request.query_params
    side = given.get("side")
    if side not in {None, "field", "specialist"}:
        raise RequestError(
            f"side is {side[:SHOWN]!r}; give field for questions, or specialist for answers",
            field="side",
        )
    now = span(request, DAY)
    before = Span(_before(request, now), now.since)
    with request.app.state.store.read() as connection:
        found = drift(connection, now, before, side, given.get("name"))
    shown = found if given.get("all") == "true" else [one for one in found if _alarms(one)]
    return Answer(
        {
            "now": now._asdict(),
            "before": before._asdict(),
            "compared": len(found),
            "alerts": sum(map(_alarms, found)),
            "shifts": shown,
        }
    )


def _before(request: Request, now: Span) -> float:
    text = request.query_params.get("before")
    begin = now.since - WEEK_S if not text else instant(text, now.since, "before")
    if begin >= now.since:
        raise RequestError(
            f"before is {text!r}, which is not before since; give how long before it, such as 7d",
            field="before",
        )
    return begin


def _alarms(shift: dict[str, Any]) -> bool:
    return bool(shift["severity"] != "none")


ROUTES = (
    Route("/v1/claims", _claims, methods=["GET"]),
    Route("/v1/calibration", _calibration, methods=["GET"]),
    Route("/v1/calibration/asked", _asked, methods=["GET"]),
    Route("/v1/drift", _drift, methods=["GET"]),
)
