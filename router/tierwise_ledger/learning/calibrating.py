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
from tierwise_ledger.learning.answered import (
    MOST,
    MOST_AT_ONCE,
    Answered,
    asked_in,
    latest_answers,
    most_of_each,
)
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.learned import CALIBRATIONS
from tierwise_ledger.upsert import replace_rows

__all__ = [
    "BUDGET",
    "EVERY_S",
    "calibrate",
    "calibration_reports",
    "report",
    "stored_reports",
]

log = structlog.get_logger(__name__)

EVERY_S: Final = 6 * 3600.0
PERIOD_S: Final = 30 * 86_400.0
BUDGET: Final = 0.2
"""The share of answers that may escalate, where nobody says otherwise."""


def calibrate(store: Store, _settings: Settings, now: float) -> None:
    """Refit everybody and keep the reports; a job of the ledger.

    Each is read and written by itself: a transaction is short, however many there are.
    """
    since = now - PERIOD_S
    with store.read() as connection:
        everybody = asked_in(connection, since, now)
    fits = 0
    for specialist, field in everybody:
        with store.read() as connection:
            found = _refitted(connection, specialist, field, (since, now), BUDGET)
        if found is None:
            continue
        row = {"specialist": specialist, "field": field, "at": now, "report": found}
        with store.begin() as connection:
            replace_rows(connection, CALIBRATIONS, [row])
        fits += 1
    log.info("calibrated", fits=fits)


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
    at_once: int = MOST_AT_ONCE,
) -> list[dict[str, Any]]:
    """Refit now, on what was answered in a time.

    The more are asked about, the fewer of the latest answers of each are read (``at_once`` of all
    together): of five 20,000, of 24 some 4,000.
    """
    everybody = asked_in(connection, since, until, specialist, field)
    most = most_of_each(len(everybody), at_once)
    found = (
        _refitted(connection, *names, (since, until), budget, most=most) for names in everybody
    )
    return [one for one in found if one is not None]


def _refitted(  # noqa: PLR0913 - a question
    connection: Connection,
    specialist: str,
    field: str,
    when: tuple[float, float],
    budget: float,
    *,
    most: int = MOST,
) -> dict[str, Any] | None:
    """Refit one Specialist in one field; None where no answer came."""
    answers = latest_answers(connection, specialist, field, when, most)
    if not answers:
        return None
    of = {"specialist": specialist, "field": field, "since": when[0], "until": when[1]}
    return of | report(answers, budget)


def report(answers: Sequence[Answered], budget: float) -> dict[str, Any]:
    """Tell how well confidence was calibrated, what a refit makes of it, and which floor to take.

    >>> told = [(float(n), 0.95, n % 4 > 0, 0.85) for n in range(400)]
    >>> said = report(told, 0.2)
    >>> said["judged"], said["calibration"]["kind"], round(said["eceBefore"], 2)
    (400, 'platt', 0.2)
    """
    judged = [(at, told, right) for at, told, right, _ in answers if right is not None]
    found = refit(judged)
    # Answers of one moment are told apart without their verdicts: None is not less than True.
    present = max((at, told, floor) for at, told, _, floor in answers)[2] if answers else 0.0
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
