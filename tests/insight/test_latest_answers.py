"""The answers that a refit reads: the latest of a Specialist in a field, and no others."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from ledgers import NOON, a_decision
from sqlalchemy import delete, select

from tierwise_ledger.ingest import ingest
from tierwise_ledger.learning.answered import asked_in, latest_answers
from tierwise_ledger.learning.calibrating import calibrate, calibration_reports
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import METADATA
from tierwise_ledger.tables.judged import INTERACTIONS

HOUR_S = 3600.0
LEAST = 1_000
DAY = (NOON - 12 * HOUR_S, NOON + 12 * HOUR_S)


def take(store: Store, rows: list[dict[str, Any]]) -> None:
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)


# When, by whom, and whether an answer came at all.
ASKED = some.tuples(
    some.integers(-11 * 3600, 0), some.sampled_from(["demo/sorter", "demo/other"]), some.booleans()
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=some.lists(ASKED, max_size=40), most=some.integers(1, 12), hours=some.integers(1, 24))
def test_they_are_those_that_a_look_at_all_answers_gives(
    store: Store, asked: list[tuple[int, str, bool]], most: int, hours: int
) -> None:
    forget(store)
    rows = [
        a_decision(number, at=NOON + at + number / 100, step={
            "specialist": name, "failure": "" if came else "gone", "confidence": number / 50,
        })
        for number, (at, name, came) in enumerate(asked)
    ]  # fmt: skip
    take(store, rows)
    when = (NOON - hours * HOUR_S / 2, NOON - 100)

    with store.read() as connection:
        found = latest_answers(connection, "demo/sorter", "sorting", when, most)

    expected = sorted(
        (
            (row["at"], row["steps"][0]["confidence"])
            for row in rows
            if row["specialist"] == "demo/sorter"
            and not row["steps"][0]["failure"]
            and when[0] <= row["at"] < when[1]
        ),
        reverse=True,
    )
    assert [(at, told) for at, told, _, _ in found] == expected[:most]


def forget(store: Store) -> None:
    with store.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(delete(table))


def test_where_too_few_of_those_asked_answered_the_hours_before_are_looked_at(
    store: Store,
) -> None:
    early = [a_decision(number, at=NOON - 2 * HOUR_S + number) for number in range(5)]
    failed = [a_decision(number, step={"failure": "gone"}) for number in range(5, 15)]
    take(store, [*early, *failed, a_decision(15)])

    with store.read() as connection:
        found = latest_answers(connection, "demo/sorter", "sorting", DAY, 4)

    assert [at for at, *_ in found] == [NOON + 15, *(row["at"] for row in early[:1:-1])]


def test_answers_of_one_moment_are_refitted_whether_or_not_anybody_judged_them(
    store: Store,
) -> None:
    steps = [a_decision(0, step={"verified": said})["steps"][0] for said in (True, None)]
    take(store, [a_decision(0, steps=steps, calls=2)])

    with store.read() as connection:
        (report,) = calibration_reports(connection, *DAY)

    assert (report["answers"], report["judged"]) == (2, 1)
    assert report["proposal"]["present"] == 0.85


def test_of_many_who_are_refitted_at_once_each_has_only_its_latest_answers_read(
    store: Store,
) -> None:
    many = [a_decision(number, at=NOON + number / 1e3) for number in range(LEAST + 50)]
    take(store, [*many, a_decision(9_999, step={"specialist": "demo/other"})])

    with store.read() as connection:
        together = calibration_reports(connection, *DAY, at_once=20)
        alone = calibration_reports(connection, *DAY, specialist="demo/sorter")

    found = {one["specialist"]: one["answers"] for one in together}
    assert found == {"demo/sorter": LEAST, "demo/other": 1}
    assert [one["answers"] for one in alone] == [LEAST + 50]


def test_whoever_was_asked_is_refitted_by_the_schedule_and_whoever_only_failed_is_not(
    store: Store,
) -> None:
    names = [f"demo/{name}" for name in ("one", "two", "three")]
    take(
        store,
        [
            a_decision(number, step={"specialist": name, "failure": failure})
            for number, (name, failure) in enumerate(zip(names, ("", "", "gone"), strict=True))
        ],
    )

    calibrate(store, Settings(), NOON + 60)

    with store.read() as connection:
        assert len(asked_in(connection, *DAY)) == len(names)
        assert connection.execute(select(INTERACTIONS.c.came)).scalars().all().count(False) == 1
        assert {one["specialist"] for one in calibration_reports(connection, *DAY)} == set(
            names[:2]
        )
        kept = METADATA.tables["calibrations"].c.specialist
        assert set(connection.execute(select(kept)).scalars()) == set(names[:2])
