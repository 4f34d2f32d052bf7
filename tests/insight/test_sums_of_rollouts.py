"""A rollout's evidence: the sums of both sides, in one look, exact whatever comes late."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from ledgers import NOON, Served, a_decision, a_word

from tierwise_core.windows import NAMES, Window
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store

BEGAN = NOON + 100
ASKED = f"/v1/rollouts/sums?specialist=demo/sorter&blue=r1,r0&green=r2&since={BEGAN}"


def take(store: Store, *rows: dict[str, Any]) -> None:
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)


def served_at(store: Store, now: float) -> Served:
    served = Served(store)
    served.clock.now = now
    return served


def of(revision: str, number: int, **changed: Any) -> dict[str, Any]:
    step = {"revision": revision, **changed.pop("step", {})}
    return a_decision(number, step=step, **changed)


def window(side: dict[str, Any]) -> Window:
    assert set(NAMES) <= set(side)
    return Window.from_row(side)


def test_each_side_has_the_sums_of_its_revisions_since_the_canary_began(store: Store) -> None:
    take(store, *(of("r1", number, at=BEGAN - 50 + number) for number in range(100)))
    take(store, *(of("r0", 200 + number, at=BEGAN + number) for number in range(7)))
    take(store, *(of("r2", 300 + number, at=BEGAN + number * 700) for number in range(9)))
    take(store, of("r3", 400, at=BEGAN + 5))

    told = served_at(store, BEGAN + 7000).client.get(ASKED).json()

    assert told["since"] == BEGAN
    assert (window(told["blue"]).asked, window(told["green"]).asked) == (50 + 7, 9)
    assert told["green"]["cost_usd"] == pytest.approx(9 * 0.000022)
    assert told["blue"]["p50_s"] is None, "nobody of blue answered within the last hour"
    assert told["green"]["p50_s"] == pytest.approx(0.215, abs=0.001)
    assert (told["field"], told["fields"]) == ("sorting", ["sorting"])
    assert told["newest"] == BEGAN + 8 * 700


def test_late_words_change_the_sums_of_before(store: Store) -> None:
    take(store, *(of("r2", number, at=BEGAN + number) for number in range(10)))
    served = served_at(store, BEGAN + 20)
    first = window(served.client.get(ASKED).json()["green"])

    take(store, a_word(3, accepted=False, at=BEGAN + 4000))
    then = window(served_at(store, BEGAN + 4001).client.get(ASKED).json()["green"])

    assert (first.asked, first.accepted, first.feedback) == (10, 10, 0)
    assert (then.asked, then.accepted, then.feedback) == (10, 9, 1)


def test_times_that_follow_each_other_add_up_to_all_of_it(store: Store) -> None:
    rows = [of("r2", number, at=BEGAN + number * 61.7) for number in range(200)]
    take(store, *rows)
    borders = (BEGAN, BEGAN + 3.3, BEGAN + 1000, BEGAN + 7777.7, BEGAN + 20_000)
    client = served_at(store, BEGAN + 20_000).client

    total = Window()
    for since, until in pairwise(borders):
        asked = f"/v1/rollouts/sums?specialist=demo/sorter&green=r2&since={since}&until={until}"
        total += window(client.get(asked).json()["green"])

    assert total == window(client.get(ASKED).json()["green"])
    assert total.asked == 200


def test_who_asks_again_from_where_latencies_ended_hears_of_each_once(store: Store) -> None:
    """One answer in the last second of each ten, slower by half every time."""
    slow = [0.1 * 1.5**number for number in range(8)]
    ends = enumerate(slow)
    take(store, *(of("r2", n, at=BEGAN + 10 * n + 9, step={"seconds": s}) for n, s in ends))
    told, until = list[float](), float(BEGAN)
    for now in range(2, 10 * len(slow) + 4, 2):
        asked = f"{ASKED}&latency_since={until:.0f}"
        row = served_at(store, BEGAN + now).client.get(asked).json()
        if row["green"]["p99_s"] is not None:
            told.append(row["green"]["p99_s"])
        until = row["latencyUntil"]

    assert told == pytest.approx(slow, rel=0.2)


def test_all_fields_of_a_specialist_count_unless_one_is_asked_for(store: Store) -> None:
    take(store, *(of("r2", number, at=BEGAN + 1) for number in range(3)))
    other = {"own_field": "adding"}
    take(store, *(of("r2", 10 + number, at=BEGAN + 1, step=other) for number in range(5)))
    client = served_at(store, BEGAN + 20).client

    whole, part = client.get(ASKED).json(), client.get(f"{ASKED}&field=sorting").json()

    assert (whole["field"], whole["fields"]) == ("adding", ["adding", "sorting"])
    assert (whole["green"]["asked"], part["green"]["asked"]) == (8, 3)


def test_without_feedback_only_verifiers_and_the_gate_have_judged(store: Store) -> None:
    checked = {"verified": True}
    take(store, *(of("r2", number, at=BEGAN + number, step=checked) for number in range(6)))
    take(store, *(of("r1", 10 + number, at=BEGAN + number) for number in range(6)))
    client = served_at(store, BEGAN + 60).client
    before = client.get(ASKED).json()

    take(store, *(a_word(number, accepted=False, at=BEGAN + 50) for number in (1, 2, 11)))

    heard, unheard = client.get(ASKED).json(), client.get(f"{ASKED}&feedback=false").json()
    assert (heard["green"]["accepted"], heard["blue"]["accepted"]) == (4, 5)
    assert (unheard["green"], unheard["blue"]) == (before["green"], before["blue"])


def test_nothing_known_is_no_error(store: Store) -> None:
    told = served_at(store, BEGAN + 20).client.get(ASKED).json()

    assert (window(told["blue"]), window(told["green"])) == (Window(), Window())
    assert (told["newest"], told["field"]) == (None, "")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("blue=r1&green=r2&since=1", "specialist"),
        ("specialist=demo/sorter&green=r2", "since"),
        ("specialist=demo/sorter&green=r2&since=soon", "since"),
        ("specialist=demo/sorter&green=r2&since=50&until=40", "until"),
        ("specialist=demo/sorter&blue=r1,r2&green=r2&since=1", "green"),
        ("specialist=demo/sorter&green=r2&since=1&feedback=some", "feedback"),
        ("specialist=demo/sorter&geen=r2&since=1", "geen"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(store: Store, query: str, field: str) -> None:
    answer = Served(store).client.get(f"/v1/rollouts/sums?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
