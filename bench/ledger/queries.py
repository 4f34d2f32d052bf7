"""The service's queries over millions of outcomes, spread over ninety days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bulk_rows import NOW
from clocks import Took, timed
from rich.console import Console
from sqlalchemy import Connection

from tierwise_ledger.auditing.reading import heads, records_of
from tierwise_ledger.choosing import Choice
from tierwise_ledger.learning.assertions import (
    claims_of_query,
    contradiction_rates,
    questions_at_odds,
)
from tierwise_ledger.learning.calibrating import calibration_reports
from tierwise_ledger.learning.drifting import drift
from tierwise_ledger.learning.exporting import Wanted, export_rows
from tierwise_ledger.learning.sides import Sides, side_sums
from tierwise_ledger.learning.windows import Asked, latencies, on_grid, windows
from tierwise_ledger.listing import list_outcomes
from tierwise_ledger.money.reports import Period, report
from tierwise_ledger.reading import find_outcome, summarise
from tierwise_ledger.seeing import fleet
from tierwise_ledger.seeing.costs import cost_over_time
from tierwise_ledger.seeing.decisions import newest, whole_story
from tierwise_ledger.seeing.paths import flow
from tierwise_ledger.seeing.rollouts import revisions, specialists
from tierwise_ledger.seeing.trust import reliability
from tierwise_ledger.seeing.waiting import waiting
from tierwise_ledger.service.asked import Span
from tierwise_ledger.service.status import status_in
from tierwise_ledger.service.windows import rows
from tierwise_ledger.settings import Settings
from tierwise_ledger.statistics import gather
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import DAY_S, HOUR_S

TIMES = 3
SORTER = "demo/specialist-3"
ONE = "d-fill-one-00000000"


def queries(out: Console, store: Store) -> list[Took]:
    """Ask everything a few times, and print how long it took."""
    gather(store, Settings(), NOW)
    out.print(f"  queries (best and worst of {TIMES} by the clock, and processor time):")
    took = []
    for name, question in QUESTIONS.items():
        with store.read() as connection:
            took.append(timed(name, connection, question, TIMES))
        one = took[-1]
        out.print(
            f"    {name:<58} {one.wall_ms:8.1f} ms {one.worst_ms:8.1f} ms {one.cpu_ms:8.1f} ms"
        )
    return took


def _list(**filters: list[str]) -> Callable[[Connection], object]:
    return lambda connection: list_outcomes(connection, Choice(0, 9e9, filters), limit=50)


def _sum(days: float, *by: str) -> Callable[[Connection], object]:
    return lambda connection: summarise(connection, by, Choice(NOW - days * DAY_S, NOW + 1))


def _span(days: float) -> Span:
    return Span(NOW - days * DAY_S, NOW)


def _asked(days: float, specialist: str | None = None) -> Asked:
    return Asked(*on_grid(NOW - 5 - days * DAY_S, NOW), specialist)


def _cost(days: float, by: str) -> Callable[[Connection], object]:
    period = Period.around(NOW - days * DAY_S, NOW)
    return lambda connection: report(connection, period, by)  # type: ignore[arg-type]


def _latency(days: float, specialist: str | None) -> Callable[[Connection], object]:
    return lambda connection: latencies(connection, _asked(days, specialist))


def _series(days: float, every: int, specialist: str | None) -> Callable[[Connection], object]:
    asked = replace(_asked(days, specialist), every=every)
    return lambda connection: list(rows(connection, asked, None, with_latency=True))


def _export(days: float, specialist: str | None) -> Callable[[Connection], object]:
    """Look through the judged answers, of which no text is kept."""
    wanted = Wanted("dpo", _span(days), specialist)
    return lambda connection: list(export_rows(connection, wanted, lambda *_given: {}))


def _at_odds(specialist: str | None) -> Callable[[Connection], object]:
    return lambda connection: questions_at_odds(connection, _span(30), specialist, None, 50)


def _rates(days: float) -> Callable[[Connection], object]:
    return lambda connection: contradiction_rates(connection, _span(days), None, None)


SIDES = Sides(
    SORTER, {"blue": ("r3",), "green": ("r4", "r5")}, NOW - 7 * DAY_S - 5, NOW - 3600
)  # fmt: skip

QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "one outcome with its calls, words and record": lambda connection: find_outcome(
        connection, ONE
    ),
    "the newest 50": _list(),
    "the newest 50 of a tenant": _list(tenant=["demo/team-7"]),
    "the newest 50 of a Specialist": _list(specialist=[SORTER]),
    "the newest 50 that failed": _list(state=["failed"]),
    "the newest 50 of a tenant that failed": _list(tenant=["demo/team-0"], state=["failed"]),
    "the newest 50 of nobody": _list(tenant=["demo/nobody"]),
    "the newest 50 of a revision on one tier": _list(revision=["r7"], tier=["tier-3"]),
    "the newest 50 of a revision that nobody knows": _list(revision=["r99"]),
    "the newest 50 of a tenant that ended as none did": _list(
        tenant=["demo/team-7"], state=["abstained"]
    ),
    "the newest 50 of two tenants in a field": _list(
        tenant=["demo/team-1", "demo/team-9"], field=["field-3"]
    ),
    "the newest 50 of a user": _list(user=["u-77"]),
    "the newest 50 that asked for a model by name": _list(model=["demo/specialist-2"]),
    "all answers to one question": _list(query_id=["q-77"]),
    "a session": _list(session=["s-99"]),
    "sums of a day by Specialist": _sum(1, "specialist"),
    "sums of a day by hour and state": _sum(1, "hour", "state"),
    "sums of a week by tenant": _sum(7, "tenant"),
    "sums of 30 days by field": _sum(30, "field"),
    "sums of 30 days by hour and state": _sum(30, "hour", "state"),
    "sums of 30 days by Specialist, tier and state": _sum(30, "specialist", "tier", "state"),
    "cost of a day by Specialist": _cost(1, "specialist"),
    "cost of a week by tenant": _cost(7, "tenant"),
    "cost of 30 days by Specialist": _cost(30, "specialist"),
    "cost of 30 days by tenant": _cost(30, "tenant"),
    "windows of an hour, all": lambda connection: windows(connection, _asked(1 / 24)),
    "windows of 30 days, all": lambda connection: windows(connection, _asked(30)),
    "windows of 30 days by the hour, one Specialist": _series(30, HOUR_S, SORTER),
    "windows of a week by the hour, all": _series(7, HOUR_S, None),
    "windows of five hours by ten seconds, one Specialist": _series(5 / 24, 10, SORTER),
    "latency of an hour, one Specialist": _latency(1 / 24, SORTER),
    "latency of an hour, all": _latency(1 / 24, None),
    "latency of 30 days, one Specialist": _latency(30, SORTER),
    "latency of 30 days, all": _latency(30, None),
    "both sides of a rollout of a week": lambda connection: side_sums(connection, SIDES),
    "both sides of a rollout of a week, without feedback": lambda connection: side_sums(
        connection, replace(SIDES, feedback=False)
    ),
    "contradiction rates of a day": _rates(1),
    "contradiction rates of 30 days": _rates(30),
    "questions at odds in 30 days": _at_odds(None),
    "questions at odds in 30 days, one Specialist": _at_odds(SORTER),
    "who claimed what about a question": lambda connection: claims_of_query(
        connection, "q-77", _span(90)
    ),
    "page: the newest decisions": lambda connection: newest(connection, _span(7), {}, 50),
    "page: the ways of a week's requests": lambda connection: flow(connection, _span(7), {}),
    "page: cost over a week": lambda connection: cost_over_time(connection, _span(7), "field"),
    "page: cost over a week by tenant": lambda connection: cost_over_time(
        connection, _span(7), "tenant"
    ),
    "page: cost over 30 days": lambda connection: cost_over_time(connection, _span(30), "tenant"),
    "page: calibration over 30 days": lambda connection: reliability(connection, _span(30), {}),
    "page: how long requests could wait": lambda connection: waiting(connection, _span(7)),
    "page: who has revisions": lambda connection: specialists(connection, _span(7)),
    "page: revisions of a week": lambda connection: revisions(
        connection, _span(7), SORTER, "field-3"
    ),
    "page: the fleet": fleet.newest,
    "page: the story of one decision": lambda connection: whole_story(connection, ONE),
    "drift of a day beside a week": lambda connection: drift(
        connection, _span(1), Span(NOW - 8 * DAY_S, NOW - DAY_S)
    ),
    "refit of one Specialist in one field, 30 days": lambda connection: calibration_reports(
        connection, NOW - 30 * DAY_S, NOW, specialist=SORTER, field="field-3"
    ),
    "refit of all, 30 days": lambda connection: calibration_reports(
        connection, NOW - 30 * DAY_S, NOW
    ),
    "export of a day, all": _export(1, None),
    "export of a week, one Specialist": _export(7, SORTER),
    "status": status_in,
    "audit: the streams": heads,
    "audit: all about one decision": lambda connection: records_of(connection, ONE),
}
