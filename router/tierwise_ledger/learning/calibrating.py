"""Calibration, refitted from time to time: for each Specialist in each field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

import structlog
from sqlalchemy import Connection, select

from tierwise_core.calibration import Refit, refit
from tierwise_core.curves import reliability
from tierwise_core.floors import propose_floor
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import hour_of
from tierwise_ledger.tables.judged import INTERACTIONS, WINDOW_HOURS
from tierwise_ledger.tables.learned import CALIBRATIONS
from tierwise_ledger.upsert import replace_rows

__all__ = ["BUDGET", "EVERY_S", "calibrate", "calibration_reports", "report", "stored_reports"]

log = structlog.get_logger(__name__)

EVERY_S: Final = 6 * 3600.0
PERIOD_S: Final = 30 * 86_400.0
MOST: Final = 20_000
BUDGET: Final = 0.2
"""The share of answers that may escalate, where nobody says otherwise."""

JUDGES: Final = frozenset({"feedback", "verifier"})

Answered = tuple[float, float, bool | None, float]
"""When, how sure, whether it was right (None: only the gate said), and its floor."""


def calibrate(store: Store, _settings: Settings, now: float) -> None:
    """Refit everybody and keep the reports; a job of the ledger."""
    with store.read() as connection:
        found = calibration_reports(connection, now - PERIOD_S, now)
    rows = [
        {"specialist": one["specialist"], "field": one["field"], "at": now, "report": one}
        for one in found
    ]
    with store.begin() as connection:
        replace_rows(connection, CALIBRATIONS, rows)
    log.info("calibrated", fits=len(rows))


def stored_reports(
    connection: Connection, specialist: str | None, field: str | None
) -> list[dict[str, Any]]:
    """Give the reports of the last refit."""
    query = select(CALIBRATIONS).order_by(CALIBRATIONS.c.specialist, CALIBRATIONS.c.field)
    if specialist is not None:
        query = query.where(CALIBRATIONS.c.specialist == specialist)
    if field is not None:
        query = query.where(CALIBRATIONS.c.field == field)
    return [{**row["report"], "at": row["at"]} for row in connection.execute(query).mappings()]


def calibration_reports(  # noqa: PLR0913 - a question
    connection: Connection,
    since: float,
    until: float,
    *,
    specialist: str | None = None,
    field: str | None = None,
    budget: float = BUDGET,
) -> list[dict[str, Any]]:
    """Refit now, on what was answered in a time."""
    one = INTERACTIONS.c
    found = []
    for name, of_field in _asked(connection, since, until, specialist, field):
        whose = (one.specialist == name, one.field == of_field)
        answers = _answers(connection, [*whose, one.at >= since, one.at < until, one.came])
        if answers:
            of = {"specialist": name, "field": of_field, "since": since, "until": until}
            found.append(of | report(answers, budget))
    return found


def _asked(
    connection: Connection, since: float, until: float, specialist: str | None, field: str | None
) -> Sequence[Any]:
    """List who was asked in which field, as the sums by the hour tell: answers are millions."""
    hours = WINDOW_HOURS.c
    within = [hours.begin >= hour_of(since), hours.begin < until]
    if specialist is not None:
        within.append(hours.specialist == specialist)
    if field is not None:
        within.append(hours.field == field)
    of = (hours.specialist, hours.field)
    return connection.execute(select(*of).where(*within).distinct().order_by(*of)).all()


def _answers(connection: Connection, within: Sequence[Any]) -> list[Answered]:
    columns = [
        INTERACTIONS.c[name] for name in ("at", "confidence_e4", "accepted", "source", "floor")
    ]
    query = select(*columns).where(*within).order_by(INTERACTIONS.c.at.desc()).limit(MOST)
    return [
        (at, told / 10_000, accepted if source in JUDGES else None, floor)
        for at, told, accepted, source, floor in connection.execute(query)
    ]


def report(answers: Sequence[Answered], budget: float) -> dict[str, Any]:
    """Tell how well confidence was calibrated, what a refit makes of it, and which floor to take.

    >>> told = [(float(n), 0.95, n % 4 > 0, 0.85) for n in range(400)]
    >>> said = report(told, 0.2)
    >>> said["judged"], said["calibration"]["kind"], round(said["eceBefore"], 2)
    (400, 'platt', 0.2)
    """
    judged = [(at, told, right) for at, told, right, _ in answers if right is not None]
    found = refit(judged)
    present = max(answers)[3] if answers else 0.0
    proposal = propose_floor(
        [(told, right) for _, told, right, _ in answers], present, budget, found.chosen
    )
    return {
        "answers": len(answers),
        "judged": len(judged),
        "calibration": found.chosen.describe(),
        "helps": found.helps,
        **_errors(found),
        "reliability": _bins(judged),
        "escalationBudget": budget,
        "proposal": asdict(proposal),
    }


def _errors(found: Refit) -> dict[str, Any]:
    return {
        "fittedOn": found.fitted,
        "heldOut": found.held_out,
        "brierBefore": found.brier_before,
        "brierAfter": found.brier_after,
        "eceBefore": found.ece_before,
        "eceAfter": found.ece_after,
    }


def _bins(judged: Iterable[tuple[float, float, bool]]) -> list[dict[str, Any]]:
    some = list(judged)
    told, was = [one[1] for one in some], [float(one[2]) for one in some]
    return [asdict(one) for one in reliability(told, was)]
