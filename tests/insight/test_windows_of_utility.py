"""Windows add up to what was recorded, in whatever order it comes and whatever is said later."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import NOON, Served, a_decision, a_word

from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.utility import UtilityWeights
from tierwise_core.windows import Interaction, Window, parts_of
from tierwise_ledger.ingest import ingest
from tierwise_ledger.learning.windows import Asked, Of, on_grid, windows
from tierwise_ledger.store import Store

SORTER = Of("demo/sorter", "r1", "sorting")
ALL = Asked(0, int(NOON) * 2 // 10 * 10)


def take(store: Store, *rows: dict[str, Any]) -> None:
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)


def of(store: Store, asked: Asked = ALL, whose: Of = SORTER) -> Window:
    with store.read() as connection:
        found = windows(connection, asked).get(asked.since, {})
    return found[whose].window if whose in found else Window()


def test_an_accepted_answer_counts_for_its_specialist_revision_and_field(store: Store) -> None:
    take(store, a_decision(1))

    window = of(store)

    assert (window.asked, window.judged, window.accepted, window.gate) == (1, 1, 1, 1)
    assert window.confidence_e4 == 9500


def test_an_escalation_counts_against_whoever_was_escalated_from(store: Store) -> None:
    first = a_decision(1)["steps"][0] | {"verdict": "escalate", "confidence": 0.4}
    then = first | {"specialist": "demo/frontier", "own_field": None, "verdict": "accept"}
    take(store, a_decision(1, steps=[first, then], specialist="demo/frontier", state="escalated"))

    sorter, frontier = of(store), of(store, whose=Of("demo/frontier", "r1", "sorting"))

    assert (sorter.accepted, sorter.escalated) == (0, 1)
    assert (frontier.accepted, frontier.escalated) == (1, 0)


def test_a_failure_counts_against_it_and_a_relayed_answer_waits_for_a_word(store: Store) -> None:
    take(
        store,
        a_decision(1, step={"verdict": "failed", "failure": "timeout", "confidence": None}),
        a_decision(2, step={"verdict": "relayed", "confidence": None}),
        a_decision(3, step={"verdict": "passed-over", "failure": "asleep", "confidence": None}),
    )

    window = of(store)

    assert (window.asked, window.judged, window.failure) == (2, 1, 1)
    take(store, a_word(2, accepted=True))
    assert (of(store).judged, of(store).accepted, of(store).feedback) == (2, 1, 1)


def test_a_later_word_moves_a_window_and_a_second_one_moves_it_back(store: Store) -> None:
    take(store, a_decision(1))
    before = of(store)

    take(store, a_word(1, accepted=False, at=NOON + 1))
    after = of(store)
    take(store, a_word(1, accepted=True, at=NOON + 2))

    assert (before.accepted, after.accepted, of(store).accepted) == (1, 0, 1)
    assert (after.gate, after.feedback) == (0, 1)


def test_hours_and_ten_seconds_add_up_to_the_same(store: Store) -> None:
    rows = [a_decision(number, at=NOON + number * 97.3) for number in range(200)]
    take(store, *rows)

    for since, until in ((0.0, 20_000.0), (3_333.0, 15_555.0), (3_600.0, 3_700.0)):
        begin, end = on_grid(NOON + since, NOON + until)
        expected = sum(begin <= row["at"] < end for row in rows)
        assert of(store, Asked(begin, end)).asked == expected


WHO = st.sampled_from([("demo/sorter", "r1"), ("demo/sorter", "r2"), ("demo/adder", "r1")])


@st.composite
def journals(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 12))):
        specialist, revision = draw(WHO)
        step = {
            "specialist": specialist,
            "revision": revision,
            "confidence": draw(st.sampled_from([0.2, 0.731, 0.95, None])),
            "verdict": draw(st.sampled_from(["accept", "abstain", "relayed"])),
            "verified": draw(st.sampled_from([None, True, False])),
            "answer_id": draw(st.sampled_from(["", "a", "b"])),
        }
        rows.append(
            a_decision(
                number, step=step, query_id=f"q-{draw(st.integers(0, 2))}", specialist=specialist
            )
        )
        for at in range(draw(st.integers(0, 2))):
            right = draw(st.sampled_from([None, "A", "B"]))
            said = draw(st.booleans())
            rows.append(a_word(number, accepted=said, at=NOON + at, corrected=right))
    return rows


RUNS = count(1)


def renamed(rows: list[dict[str, Any]], run: str) -> list[dict[str, Any]]:
    """The same rows of another run: other decisions, other Specialists, another tenant."""
    found = []
    for row in rows:
        if row["kind"] == "feedback":
            found.append(row | {"decision": row["decision"] + run})
            continue
        steps = [step | {"specialist": run + step["specialist"]} for step in row["steps"]]
        name = {"id": row["id"] + run, "tenant": run, "specialist": run + row["specialist"]}
        found.append(row | name | {"steps": steps})
    return found


def of_run(store: Store, run: str) -> dict[tuple[str, ...], Any]:
    with store.read() as connection:
        found = windows(connection, ALL)[ALL.since]
    return {
        (name.specialist.removeprefix(run), name.revision): summed
        for name, summed in found.items()
        if name.specialist.startswith(run)
    }


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(journals(), st.randoms(use_true_random=False), st.integers(2, 9))
def test_whatever_the_order_and_the_batches_the_windows_are_the_same(
    store: Store, rows: list[dict[str, Any]], order: Any, size: int
) -> None:
    one, other = (f"run-{next(RUNS)}/" for _ in range(2))
    take(store, *renamed(rows, one))
    shuffled = [*renamed(rows, other), *renamed(rows, other)]
    order.shuffle(shuffled)
    for at in range(0, len(shuffled), size):
        take(store, *shuffled[at : at + size])

    assert of_run(store, other) == of_run(store, one) != {}


@given(
    st.lists(
        st.builds(
            Interaction,
            st.sampled_from([True, False, None]),
            st.integers(0, 10_000).map(lambda number: number / 10_000),
            st.just("gate"),
            contradicted=st.booleans(),
        ),
        min_size=2,
        max_size=40,
    )
)
def test_the_variance_of_a_window_is_that_of_its_interactions(some: list[Interaction]) -> None:
    judgement = FieldJudgement(UtilityWeights(0.5, 0.4, 0.1), penalty=2.0)
    window = Window()
    for one in some:
        window += Window.of(one)
    each = [
        0.5 * one.accepted + 0.4 * (one.confidence - 2.0 * one.contradicted)
        for one in some
        if one.accepted is not None
    ]
    mean = sum(each) / len(each) if each else 0.0
    expected = sum((u - mean) ** 2 for u in each) / (len(each) - 1) if len(each) > 1 else 0.0

    assert window.variance(judgement) == pytest.approx(expected, abs=1e-9)
    assert 0.0 <= parts_of(window, judgement).utility <= 1.0
    assert window - Window.of(some[0]) + Window.of(some[0]) == window


def test_windows_are_served_with_utility_its_parts_and_its_sums(store: Store) -> None:
    take(store, *(a_decision(number) for number in range(20)))
    take(store, a_word(3, accepted=False))
    served = Served(store)
    served.clock.now = NOON + 100

    answer = served.client.get("/v1/windows?specialist=demo/sorter&since=1h").json()

    (row,) = answer["windows"]
    assert (row["specialist"], row["revision"], row["field"]) == SORTER
    assert row["sums"]["judged"] == 20
    assert row["E"] == pytest.approx(20 / 22)
    assert row["C"] == pytest.approx(0.95)
    assert row["U"] == pytest.approx(0.6 * row["E"] + 0.35 * row["C"] + 0.05 * row["K"])
    assert row["variance"] == pytest.approx(0.6**2 * 19 / 20 * (1 / 20) * 20 / 19)
    assert row["contradictionRate"] is None
    assert answer["newest"] == NOON + 19


def test_a_series_has_the_same_borders_for_everybody(store: Store) -> None:
    take(store, *(a_decision(number) for number in range(40)))
    served = Served(store)

    asked = f"/v1/windows?since={NOON + 3}&until={NOON + 40}&every=20&latency=true"
    rows = served.client.get(asked).json()["windows"]

    assert [row["since"] - NOON for row in rows] == [0, 20]
    assert [row["sums"]["asked"] for row in rows] == [20, 20]
    assert rows[0]["latency"]["duration"]["p50Ms"] == pytest.approx(215, abs=1)


def test_a_series_of_hours_adds_up_to_the_whole_and_counts_the_field_in_each(store: Store) -> None:
    spread = [a_decision(number, at=NOON + 900.0 * number) for number in range(20)]
    other = a_decision(50, at=NOON + 3601.0)
    other |= {"specialist": "demo/other"}
    other["steps"] = [{**other["steps"][0], "specialist": "demo/other"}]
    take(store, *spread, other)
    served = Served(store)

    def asked(more: str) -> list[dict[str, Any]]:
        since, until = int(NOON) // 3600 * 3600, int(NOON) // 3600 * 3600 + 6 * 3600
        path = f"/v1/windows?since={since}&until={until}&specialist=demo/sorter&latency=true{more}"
        rows: list[dict[str, Any]] = served.client.get(path).json()["windows"]
        return rows

    hours, halves, (whole,) = asked("&every=3600"), asked("&every=1800"), asked("")

    for series in (hours, halves):
        assert sum(row["sums"]["asked"] for row in series) == whole["sums"]["asked"] == 20
        assert sum(sum(row["latency"]["duration"]["bins"].values()) for row in series) == 20
        assert all(
            row["until"] - row["since"] == (series[0]["until"] - series[0]["since"])
            for row in series
        )
        assert sum(row["fieldJudged"] for row in series) == whole["fieldJudged"] == 21
    assert [row["sums"]["asked"] for row in hours] == [4, 4, 4, 4, 4]


def test_own_weights_are_taken_from_the_question(store: Store) -> None:
    take(store, a_decision(1))
    served = Served(store)

    asked = "/v1/windows?since=1h&efficacy=1&confidence=0&curiosity=0&penalty=3"
    (row,) = served.client.get(asked).json()["windows"]

    assert row["U"] == row["E"]
    assert row["penalty"] == 3.0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=never", "since"),
        ("every=15&since=1h", "every"),
        ("every=10&since=7d", "every"),
        ("every=5400&since=7d", "every"),
        ("efficacy=1&confidence=1&curiosity=0", "efficacy"),
        ("penalty=low", "penalty"),
        ("penalty=0", "penalty"),
        ("speciallist=demo/sorter", "speciallist"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(store: Store, query: str, field: str) -> None:
    answer = Served(store).client.get(f"/v1/windows?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field


def test_nothing_known_is_no_error(store: Store) -> None:
    answer = Served(store).client.get("/v1/windows?since=1h").json()

    assert answer["windows"] == []
