"""What a rollout took back becomes pairs of negative weight, once, and never without a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ledgers import NOON, Served, a_decision, a_word, count

from tierwise_core.claims import answer_id
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store
from tierwise_ledger.tables.audit import AUDIT_RECORDS
from tierwise_ledger.tables.rollouts import ROLLOUT_FAILURES

TOLD = {
    "rollout": "demo/sorter-5f1c",
    "specialist": "demo/sorter",
    "revisions": ["r2"],
    "since": NOON,
    "until": NOON + 600,
    "reason": "contradicts 3.1 times as often as blue",
}


def take(store: Store, *rows: dict[str, Any]) -> None:
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)


def said(number: int, revision: str, answer: str, query: str, **step: Any) -> dict[str, Any]:
    told = {"revision": revision, "answer_id": answer_id(answer), **step}
    return a_decision(number, step=told, query_id=query)


def texts(**answers: str) -> dict[str, Any]:
    """Texts as somebody's own log has them: ``n3="abcd"`` is what decision 3 answered."""
    return {
        "contents": [
            {
                "decision": f"d-pod-one-{int(name[1:]):06x}",
                "messages": [{"role": "user", "content": "sort dbca"}],
                "answers": {"0": text},
            }
            for name, text in answers.items()
        ]
    }


def a_story(store: Store) -> Served:
    """Green contradicts what two of blue's say, is rejected once, fails once, is right once."""
    take(
        store,
        said(1, "r1", "abcd", "q-a"),
        said(2, "r1", "abcd", "q-a"),
        said(3, "r2", "dcba", "q-a"),
        said(4, "r2", "bacd", "q-b"),
        said(5, "r2", "abcd", "q-a"),
        said(6, "r2", "", "q-c", verdict="failed", failure="timeout"),
        said(7, "r2", "cdab", "q-d", verdict="escalate", confidence=0.2),
        said(8, "r1", "dabc", "q-a"),
        a_word(4, accepted=False, corrected="abcd"),
    )
    served = Served(store)
    served.clock.now = NOON + 600
    return served


def pairs(served: Served, query: str = "", **answers: str) -> list[dict[str, Any]]:
    own = texts(**(answers or {"n1": "abcd", "n2": "abcd", "n3": "dcba", "n4": "bacd"}))
    answer = served.client.post(f"/v1/export/dpo?since=1h&holdout=0{query}", json=own)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def test_rejected_contradicting_and_failed_answers_of_green_are_kept(store: Store) -> None:
    served = a_story(store)

    kept = served.client.post("/v1/rollouts/failures", json=TOLD).json()

    assert kept == {
        "rollout": "demo/sorter-5f1c",
        "kept": 3,
        "rejected": 1,
        "contradicting": 1,
        "failed": 1,
        "withoutText": 2,
    }


def test_they_are_pairs_of_negative_weight_with_what_stands(store: Store) -> None:
    served = a_story(store)
    before = pairs(served)
    served.client.post("/v1/rollouts/failures", json=TOLD)

    after = pairs(served)

    assert [row["weight"] for row in before] == [1.25]
    assert [(row["rejected"][0]["content"], row["weight"]) for row in after] == [
        ("dcba", -1.25),
        ("bacd", -1.25),
    ]
    for row in after:
        assert row["chosen"] == [{"role": "assistant", "content": "abcd"}]
        assert row["provenance"]["rollout"] == "demo/sorter-5f1c"
        assert row["provenance"]["rolled_back"] is True
    assert [row["provenance"]["right_by"] for row in after] == ["claims", "correction"]
    assert pairs(served, "&rollout=demo/other") == []
    assert len(pairs(served, "&rollout=demo/sorter-5f1c")) == 2


def test_without_the_text_of_what_stands_there_is_no_pair(store: Store) -> None:
    served = a_story(store)
    served.client.post("/v1/rollouts/failures", json=TOLD)

    assert pairs(served, n3="dcba") == []


def test_told_twice_nothing_is_kept_twice_and_later_words_are_added(store: Store) -> None:
    served = a_story(store)
    first = served.client.post("/v1/rollouts/failures", json=TOLD).json()
    again = served.client.post("/v1/rollouts/failures", json=TOLD).json()
    audited = count(store, AUDIT_RECORDS)

    take(store, a_word(5, accepted=False, at=NOON + 700))
    later = served.client.post("/v1/rollouts/failures", json=TOLD).json()

    assert first == again
    assert (later["kept"], later["rejected"]) == (4, 2)
    assert count(store, ROLLOUT_FAILURES) == 4
    assert count(store, AUDIT_RECORDS) == audited + 2, "the word, and what it added"


def test_it_is_chained_in_the_audit_of_rollouts(store: Store) -> None:
    served = a_story(store)
    served.client.post("/v1/rollouts/failures", json=TOLD)

    exported = served.client.get("/v1/audit/export?stream=rollouts").text.splitlines()

    records = [json.loads(line).get("record") for line in exported]
    (body,) = (json.loads(record["body"]) for record in records if record)
    assert (body["kind"], body["subject"]) == ("failures-kept", "Rollout/demo/sorter-5f1c")
    assert (body["specialist"], body["revisions"], body["kept"]) == ("demo/sorter", ["r2"], 3)
    assert body["reason"] == TOLD["reason"]


def test_of_another_time_or_revision_nothing_is_kept(store: Store) -> None:
    served = a_story(store)

    for other in ({"revisions": ["r9"]}, {"since": NOON + 50}, {"specialist": "demo/adder"}):
        told = {**TOLD, **other, "rollout": f"demo/{min(other)}"}
        assert served.client.post("/v1/rollouts/failures", json=told).json()["kept"] == 0


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"revisions": []}, "revisions"),
        ({"revisions": "r2"}, "revisions"),
        ({"rollout": ""}, "rollout"),
        ({"specialist": None}, "specialist"),
        ({"since": "noon"}, "since"),
        ({"until": NOON - 1}, "until"),
        ({"reason": 5}, "reason"),
        ({"why": "so"}, "why"),
    ],
)
def test_what_makes_no_sense_is_told_so(store: Store, changed: dict[str, Any], field: str) -> None:
    answer = Served(store).client.post("/v1/rollouts/failures", json={**TOLD, **changed})

    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
