"""Any choice of outcomes lists just those that pass it, whichever index or sums find them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ledgers import NOON, a_decision
from sqlalchemy import delete, event

from tierwise_ledger.choosing import FILTERS, Choice
from tierwise_ledger.ingest import ingest
from tierwise_ledger.listing import list_outcomes
from tierwise_ledger.store import Store
from tierwise_ledger.tables.outcomes import OUTCOMES

APART_S = 4000.0
COUNT = 120


def decision(number: int) -> dict[str, Any]:
    """One of five days' decisions; each label comes in a rhythm of its own."""
    step = {
        "specialist": f"demo/s{number % 3}", "revision": f"r{number % 5}", "tier": f"t{number % 2}",
    }  # fmt: skip
    return a_decision(
        number,
        at=NOON + number * APART_S,
        step=step,
        tenant=f"demo/team-{number % 7}",
        field="sorting" if number % 4 else "math",
        state="failed" if number % 11 == 0 else "shadow" if number % 13 == 0 else "accepted",
        model="auto" if number % 6 else "demo/s0",
        user=f"u{number % 9}" if number % 2 else "",
        session=f"session-{number % 17}",
        latency_class="batch" if number % 10 == 0 else "realtime",
        workload=f"w{number % 8}",
    )


def fill(store: Store) -> list[dict[str, Any]]:
    with store.begin() as connection:
        ingest(connection, [decision(number) for number in range(COUNT)], received_at=NOON)
    return listed(store, Choice(0.0, 9e9))


def listed(store: Store, choice: Choice, page: int = 1000) -> list[dict[str, Any]]:
    found, after = [], "first"
    while after:
        with store.read() as connection:
            given = "" if after == "first" else after
            rows, after = list_outcomes(connection, choice, limit=page, after=given)
        found += rows
    return found


def test_pairs_of_filters_list_what_passes_both(store: Store) -> None:
    everything = fill(store)
    assert len(everything) == COUNT
    since, until = NOON + 10 * APART_S, NOON + 100 * APART_S
    for number, names in enumerate(list(combinations(FILTERS, 2))[::3]):
        like = everything[number * 5 % COUNT]
        filters = {name: [like[name]] for name in names}
        expected = [
            row["id"]
            for row in everything
            if since <= row["at"] < until and all(row[name] == like[name] for name in names)
        ]

        found = listed(store, Choice(since, until, filters), page=9)

        assert [row["id"] for row in found] == expected, filters


def test_several_values_of_one_filter_pass(store: Store) -> None:
    everything = fill(store)

    found = listed(store, Choice(0.0, 9e9, {"revision": ["r1", "r4"], "tier": ["t1"]}), page=3)

    assert [row["id"] for row in found] == [
        row["id"] for row in everything if row["revision"] in {"r1", "r4"} and row["tier"] == "t1"
    ]


def test_outcomes_that_were_forgotten_have_sums_and_are_not_listed(store: Store) -> None:
    fill(store)
    with store.begin() as connection:
        connection.execute(delete(OUTCOMES).where(OUTCOMES.c.at < NOON + 60 * APART_S))

    found = listed(store, Choice(0.0, 9e9, {"revision": ["r2"]}))

    assert {row["revision"] for row in found} == {"r2"}
    assert min(row["at"] for row in found) >= NOON + 60 * APART_S


def test_hours_without_any_are_not_looked_through(store: Store) -> None:
    fill(store)
    asked: list[Any] = []
    event.listen(
        store.engine, "before_cursor_execute", lambda *told: asked.append(told[2:4]), named=False
    )

    with store.read() as connection:
        rows, _ = list_outcomes(
            connection, Choice(0.0, 9e9, {"revision": ["r3"], "workload": ["w5"]}), limit=50
        )

    hours = {row["at"] // 3600 * 3600 for row in rows}
    statement, given = next(one for one in asked if "begin" in one[0] and "outcomes.seq" in one[0])
    values = given.values() if isinstance(given, dict) else given
    assert hours == {value for value in values if isinstance(value, int) and value > 1e9}, statement
