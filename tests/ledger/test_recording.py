"""What routers send becomes outcomes, calls, words and sums: each once, in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import NOON, a_decision, a_word, count
from sqlalchemy import select

from tierwise_core.decision_record import DecisionRecord
from tierwise_ledger.batch import Batch, Ingested
from tierwise_ledger.choosing import Choice
from tierwise_ledger.ingest import ingest
from tierwise_ledger.listing import list_outcomes
from tierwise_ledger.reading import find_outcome, summarise
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import METADATA, nano_usd
from tierwise_ledger.tables.calls import CALL_HOURS, CALLS
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOME_HOURS, OUTCOMES

ALL = Choice(0.0, 9e9)


def take(store: Store, *rows: dict[str, Any], **how: Any) -> Ingested:
    with store.begin() as connection:
        return ingest(connection, rows, received_at=NOON + 60, takers=(), **how)


def outcome(store: Store, number: int) -> dict[str, Any]:
    with store.read() as connection:
        return find_outcome(connection, f"d-pod-one-{number:06x}")


def sums(store: Store, *by: str) -> list[dict[str, Any]]:
    with store.read() as connection:
        return summarise(connection, by, ALL)


def test_an_outcome_tells_the_whole_story(store: Store) -> None:
    escalated = a_decision(
        1,
        state="escalated",
        specialist="demo/frontier",
        steps=[
            {"specialist": "demo/sorter", "confidence": 0.4, "verdict": "escalate",
             "cost_usd": 0.00001, "input_tokens": 10, "output_tokens": 2},
            {"specialist": "demo/frontier", "revision": "r7", "adapter": "customer-a",
             "tier": "h100", "pod": "frontier-1", "confidence": 0.97, "verdict": "accept",
             "cost_usd": 0.002, "input_tokens": 10, "output_tokens": 4, "cached_tokens": 8,
             "queue_s": 0.1, "ttft_s": 0.3, "verified": True, "checks": [{"name": "math"}]},
        ],
        cost_usd=0.00201,
        user="u1",
        features=[0.1, 0.2],
    )  # fmt: skip
    take(store, escalated)

    found = outcome(store, 1)
    assert found["state"] == "escalated"
    assert (found["specialist"], found["revision"], found["adapter"], found["tier"]) == (
        "demo/frontier", "r7", "customer-a", "h100",
    )  # fmt: skip
    assert (found["input_tokens"], found["cached_tokens"], found["output_tokens"]) == (20, 8, 6)
    assert (found["cost_usd"], found["confidence"], found["user"]) == (0.00201, 0.97, "u1")
    assert [step["specialist"] for step in found["steps"]] == ["demo/sorter", "demo/frontier"]
    assert found["steps"][1]["checks"] == [{"name": "math"}]
    assert (found["steps"][1]["queue_s"], found["steps"][1]["ttft_s"]) == (0.1, 0.3)
    assert found["record"] == escalated


def test_what_is_known_is_not_counted_again(store: Store) -> None:
    rows = [a_decision(number) for number in range(5)]

    assert take(store, *rows) == Ingested(new=5)
    assert take(store, *rows, a_decision(5), a_decision(5)) == Ingested(new=1, known=6)

    assert [row["requests"] for row in sums(store)] == [6]
    assert count(store, CALLS) == 6


def test_takers_are_told_of_new_records_only(store: Store) -> None:
    told: list[Batch] = []
    taker = (lambda _connection, batch: told.append(batch),)
    audit = {"kind": "audit", "id": "a-1", "what": "a key was rotated"}
    for _ in range(2):
        with store.begin() as connection:
            rows = [a_decision(1), a_word(1, accepted=True), audit, {"kind": "note", "text": "x"}]
            ingest(connection, rows, received_at=NOON, takers=taker)

    assert len(told) == 1
    assert told[0].decisions == (DecisionRecord.of(a_decision(1)),)
    assert [word.accepted for word in told[0].feedback] == [True]
    assert [row["kind"] for row in told[0].rows] == ["audit", "note"]


def test_a_taker_that_fails_leaves_nothing_behind(store: Store) -> None:
    def fails(_connection: object, _batch: Batch) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError), store.begin() as connection:
        ingest(connection, [a_decision(1)], received_at=NOON, takers=(fails,))

    assert count(store, OUTCOMES) == count(store, OUTCOME_HOURS) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": ""}, "'id' is ''"),
        ({"id": None}, "'id' is None"),
        ({"at": "noon"}, "'at' is 'noon'"),
        ({"at": -1}, "'at' is -1"),
        ({"cost_usd": "cheap"}, "cheap"),
        ({"status": 2**70}, "'status'"),
        ({"status": "200"}, "'status' is '200'"),
        ({"steps": [{"tier": "no specialist"}]}, "specialist"),
        ({"steps": 3}, "int"),
        ({"state": 3}, "'state' is '3'"),
    ],
)
def test_a_row_that_makes_no_sense_spoils_no_other(
    store: Store, wrong: dict[str, Any], said: str
) -> None:
    taken = take(store, a_decision(1, **wrong), a_decision(2))

    assert (taken.new, len(taken.rejected)) == (1, 1)
    assert said in taken.rejected[0]


def test_a_text_with_a_zero_in_it_is_kept(store: Store) -> None:
    take(store, a_decision(1, model="a\0b"))

    assert outcome(store, 1)["model"] == "a\N{REPLACEMENT CHARACTER}b"


def test_the_last_word_counts_and_sums_follow_it(store: Store) -> None:
    take(store, a_decision(1))
    take(store, a_word(1, accepted=True, at=NOON + 10))
    assert outcome(store, 1)["feedback"] is True
    take(store, a_word(1, accepted=False, at=NOON + 20, corrected="abcd"))

    found = outcome(store, 1)
    assert (found["feedback"], found["corrected"], found["feedback_at"]) == (False, True, NOON + 20)
    assert [(one["feedback_yes"], one["feedback_no"], one["corrected"]) for one in sums(store)] == [
        (0, 1, 1)
    ]


def test_an_older_word_that_comes_late_changes_nothing(store: Store) -> None:
    take(store, a_decision(1), a_word(1, accepted=False, at=NOON + 20))
    take(store, a_word(1, accepted=True, at=NOON + 10))

    assert outcome(store, 1)["feedback"] is False
    assert [(one["feedback_yes"], one["feedback_no"]) for one in sums(store)] == [(0, 1)]


def test_a_word_said_twice_is_one_word(store: Store) -> None:
    take(store, a_decision(1), a_word(1, accepted=True, at=NOON + 1))

    assert take(store, a_word(1, accepted=True, at=NOON + 1)).known == 1
    assert take(store, a_word(1, accepted=True, at=NOON + 9)).known == 1
    assert count(store, FEEDBACK) == 1


def test_a_word_on_an_unknown_decision_waits_for_it(store: Store) -> None:
    assert take(store, a_word(1, accepted=True)).new == 1
    assert sums(store) == []

    take(store, a_decision(1))

    assert outcome(store, 1)["feedback"] is True
    assert sums(store)[0]["feedback_yes"] == 1


def test_outcomes_are_listed_page_by_page_the_newest_first(store: Store) -> None:
    take(store, *(a_decision(number, at=NOON + number // 3) for number in range(10)))

    seen, after = [], ""
    for _ in range(4):
        with store.read() as connection:
            page, after = list_outcomes(connection, ALL, limit=3, after=after)
        seen += [row["id"] for row in page]

    assert seen == [f"d-pod-one-{number:06x}" for number in range(9, -1, -1)]
    assert after == ""


def test_sums_by_label(store: Store) -> None:
    take(
        store,
        a_decision(1),
        a_decision(2, tenant="demo/b", state="failed", specialist=""),
        a_decision(3, tenant="demo/b", at=NOON + 7200),
    )

    by_tenant = {row["tenant"]: row for row in sums(store, "tenant")}
    assert by_tenant["demo/b"]["requests"] == 2
    assert by_tenant["demo/b"]["answered"] == 1
    assert by_tenant["demo/b"]["usd_per_answer"] == pytest.approx(0.000044)
    assert len(sums(store, "hour")) == 2


def test_weeks_are_summed_by_the_day_and_agree_with_the_hours(store: Store) -> None:
    rows = [a_decision(n, at=NOON + 7 * 3600 * n, tenant=f"demo/{n % 3}") for n in range(60)]
    take(store, *rows, a_word(3, accepted=True), a_word(3, accepted=False, at=NOON + 9))

    for since, until in ((0, 9e9), (NOON, NOON + 86400), (NOON + 50_000, NOON + 900_000)):
        choice = Choice(since, until, {"tenant": ["demo/0", "demo/1"]})
        with store.read() as connection:
            whole = summarise(connection, ("tenant",), choice)
            pieces = summarise(connection, ("tenant", "hour"), choice)
        for row in whole:
            mine = [one for one in pieces if one["tenant"] == row["tenant"]]
            for name in ("requests", "input_tokens", "feedback_yes", "feedback_no", "answered"):
                assert row[name] == sum(one[name] for one in mine)
        assert sum(row["requests"] for row in whole) == sum(one["requests"] for one in pieces)


def test_no_answer_at_all_divides_by_nothing(store: Store) -> None:
    take(store, a_decision(1, state="failed", specialist=""))

    assert sums(store)[0]["usd_per_answer"] is None


ROWS = [
    *(
        a_decision(n, at=NOON + 900 * n, step={"cost_usd": 0.1 * n}, cost_usd=0.1 * n)
        for n in range(8)
    ),
    *(a_word(n, accepted=n % 2 == 0, at=NOON + 5000 + n) for n in range(6)),
    *(a_word(n, accepted=n % 3 == 0, at=NOON + 6000 + n) for n in range(4)),
]


@settings(max_examples=30)
@given(rng=st.randoms(use_true_random=False), cuts=st.lists(st.integers(0, len(ROWS)), max_size=6))
def test_sums_are_those_of_the_outcomes_in_whatever_order_and_pieces_they_came(
    rng: random.Random, cuts: list[int]
) -> None:
    rows = [*ROWS, *ROWS]
    rng.shuffle(rows)
    store = Store.open("sqlite://", bring_up=False)
    METADATA.create_all(store.engine)
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        take(store, *rows[begin:end])

    with store.read() as connection:
        outcomes = connection.execute(select(OUTCOMES)).mappings().all()
        hours = connection.execute(select(OUTCOME_HOURS)).mappings().all()
        calls = connection.execute(select(CALL_HOURS)).mappings().all()
    store.close()
    assert len(outcomes) == sum(row["requests"] for row in hours) == 8
    total = sum(nano_usd(0.1 * n) for n in range(8))
    for rows_with_cost in (outcomes, hours, calls):
        assert sum(row["cost_nano_usd"] for row in rows_with_cost) == total
    yes = [row for row in outcomes if row["feedback"]]
    no = [row for row in outcomes if row["feedback"] is False]
    assert {row["id"] for row in yes} == {f"d-pod-one-{n:06x}" for n in (0, 3, 4)}
    assert sum(row["feedback_yes"] for row in hours) == len(yes)
    assert sum(row["feedback_no"] for row in hours) == len(no)
