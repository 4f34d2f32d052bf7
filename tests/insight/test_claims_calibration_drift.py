"""Who contradicts whom, what confidence is worth, and what has changed; over HTTP."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from ledgers import NOON, Served, a_decision, a_word

from tierwise_core.query_features import feature_row
from tierwise_ledger.erasing import erase_tenant, forget_old
from tierwise_ledger.ingest import ingest
from tierwise_ledger.learning.assertions import contradiction_rates
from tierwise_ledger.learning.calibrating import calibrate
from tierwise_ledger.service.asked import Span
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.judged import INTERACTIONS, WINDOW_LATENCY, WINDOWS
from tierwise_ledger.tables.learned import CLAIMS

DAY_S = 86_400.0


def test_rates_are_the_same_of_hours_and_of_their_parts(store: Store) -> None:
    rows = [
        a_decision(
            number, at=NOON + number * 311.7, step={"answer_id": "b" if number % 9 == 0 else "a"}
        )
        for number in range(120)
    ]
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
    borders = (NOON, NOON + 77.5, NOON + 9_000, NOON + 9_100, NOON + 40_000)

    with store.read() as connection:
        (whole,) = contradiction_rates(connection, Span(NOON, NOON + 40_000), None, "sorting")
        parts = [
            rate
            for since, until in pairwise(borders)
            for rate in contradiction_rates(connection, Span(since, until), "demo/sorter", None)
        ]

    for name in ("claims", "compared", "contradicted"):
        assert sum(part[name] for part in parts) == whole[name] > 0
    assert (whole["claims"], whole["compared"]) == (120, 120)


def take(store: Store, *rows: dict[str, Any]) -> None:
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)


def get(store: Store, path: str, now: float = NOON + 3600) -> dict[str, Any]:
    served = Served(store)
    served.clock.now = now
    answer = served.client.get(path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def a_claim(number: int, answer: str, query: str = "q-1", **step: Any) -> dict[str, Any]:
    return a_decision(number, query_id=query, step={"answer_id": answer, **step})


def test_a_rate_of_contradiction_comes_with_its_interval_and_not_from_few(store: Store) -> None:
    take(store, a_claim(1, "42"), a_claim(2, "42"), a_claim(3, "41", revision="r2"))

    rates = get(store, "/v1/claims?since=2h")["rates"]

    assert [(one["revision"], one["compared"], one["contradicted"]) for one in rates] == [
        ("r1", 2, 0),
        ("r2", 1, 1),
    ]
    assert {one["rate"] for one in rates} == {None}
    assert rates[0]["low"] == 0.0 < rates[0]["high"] < 1.0


def test_enough_comparisons_make_a_rate(store: Store) -> None:
    agreeing = [a_claim(number, "42", f"q-{number // 2}") for number in range(38)]
    take(store, *agreeing, a_claim(38, "42", "q-19"), a_claim(39, "40", "q-19", revision="r1"))

    (rate,) = get(store, "/v1/claims?since=2h")["rates"]

    # Of two that differ, with nothing known, either contradicts the other.
    assert (rate["compared"], rate["contradicted"]) == (40, 2)
    assert rate["rate"] == 0.05


def test_what_a_person_corrects_contradicts_all_who_said_otherwise(store: Store) -> None:
    take(store, a_claim(1, "wrong"), a_claim(2, "wrong"))
    assert get(store, "/v1/claims?since=2h")["atOdds"] == []

    take(store, a_word(1, accepted=False, corrected="42"))

    (at_odds,) = get(store, "/v1/claims?since=2h")["atOdds"]
    assert (at_odds["query"], at_odds["claims"], at_odds["contradicted"]) == ("q-1", 2, 2)
    claims = get(store, "/v1/claims?query=q-1&since=2h")["claims"]
    assert [one["contradicts"] for one in claims] == ["known", "known"]
    (window,) = get(store, "/v1/windows?since=2h")["windows"]
    assert (window["sums"]["compared"], window["sums"]["contradicted"]) == (2, 2)


def test_other_tenants_and_other_conversations_are_not_contradicted(store: Store) -> None:
    take(
        store,
        a_claim(1, "42"),
        a_claim(2, "41") | {"tenant": "demo/team-b"},
        a_claim(3, "40") | {"context_id": "c-1"},
        a_claim(4, ""),
    )

    assert get(store, "/v1/claims?since=2h")["atOdds"] == []


def test_a_refit_tells_errors_before_and_after_and_proposes_a_floor(store: Store) -> None:
    rows = []
    for number in range(400):
        told = 0.5 + (number % 50) / 100
        right = number % 50 >= 20 or number % 3 == 0
        rows.append(a_decision(number, step={"confidence": told, "verified": right}))
    take(store, *rows)

    (one,) = get(store, "/v1/calibration?since=2h&budget=0.3")["calibrations"]

    assert (one["specialist"], one["field"], one["judged"]) == ("demo/sorter", "sorting", 400)
    assert one["helps"]
    assert one["brierAfter"] < one["brierBefore"]
    assert one["eceAfter"] < one["eceBefore"]
    assert one["proposal"]["floor"] == pytest.approx(0.65)
    assert one["proposal"]["escalated"] == pytest.approx(0.3)
    assert one["proposal"]["present"] == 0.85


def test_what_only_the_gate_accepted_is_no_evidence_of_being_right(store: Store) -> None:
    take(store, *(a_decision(number) for number in range(300)))

    (one,) = get(store, "/v1/calibration?since=2h")["calibrations"]

    assert (one["answers"], one["judged"]) == (300, 0)
    assert one["calibration"] == {"kind": "none"}
    assert "were judged by people or verifiers" in one["proposal"]["why_not"]


def test_who_answered_in_the_time_is_refitted_and_nobody_else(store: Store) -> None:
    step = {"verified": True}
    theirs = {"specialist": "demo/other"}
    take(
        store,
        *(a_decision(number, at=NOON - 7200.0 + number, step=step) for number in range(40)),
        *(a_decision(number, at=NOON + number, step=step | theirs) for number in range(50, 90)),
        *(a_decision(number, step=step | {"failure": "gone"}) for number in range(90, 95)),
    )

    def refitted(query: str) -> list[tuple[str, int]]:
        found = get(store, f"/v1/calibration?{query}")["calibrations"]
        return [(one["specialist"], one["answers"]) for one in found]

    since, until = f"since={NOON - 7200}", f"until={NOON + 200}"
    assert refitted(f"{since}&{until}") == [("demo/other", 40), ("demo/sorter", 40)]
    assert refitted(f"since={NOON}&{until}") == [("demo/other", 40)]
    assert refitted(f"{since}&until={NOON - 7190}") == [("demo/sorter", 10)]
    assert refitted(f"{since}&{until}&specialist=demo/sorter") == [("demo/sorter", 40)]
    assert refitted(f"{since}&{until}&field=general") == []


def test_the_scheduled_refit_is_kept_and_served(store: Store) -> None:
    take(store, *(a_decision(number, step={"verified": True}) for number in range(50)))
    calibrate(store, Settings(), NOON + 100)

    answer = get(store, "/v1/calibration")

    assert answer["scheduled"]
    assert answer["calibrations"][0]["at"] == NOON + 100


def questions(text: str, count: int, at: float, **step: Any) -> list[dict[str, Any]]:
    features = feature_row(text)
    first = int(at)
    return [
        a_decision(first + n, id=f"d-p-{first}-{n}", at=at + n, features=features, step=step)
        for n in range(count)
    ]


def test_other_questions_and_less_confidence_alarm_with_what_moved(store: Store) -> None:
    week_before = NOON - 3 * DAY_S
    take(
        store,
        *questions("sort dbca", 300, week_before, confidence=0.96),
        *questions("what is 17 + 25? " * 20, 150, NOON, confidence=0.62),
    )

    found = get(store, "/v1/drift")

    moved = {(one["side"], one["name"], one["signal"]): one for one in found["shifts"]}
    words = moved["field", "sorting", "words"]
    confidence = moved["specialist", "demo/sorter", "confidence"]
    assert words["severity"] == confidence["severity"] == "major"
    assert "0.95 to 1.00: 100 % before, 0 % now" in confidence["why"]
    assert found["alerts"] == len(found["shifts"]) < found["compared"]


def test_the_same_questions_are_no_drift(store: Store) -> None:
    take(
        store,
        *questions("sort dbca", 300, NOON - 3 * DAY_S),
        *questions("sort dbca", 300, NOON),
    )

    found = get(store, "/v1/drift?all=true")

    assert found["alerts"] == 0
    assert {one["severity"] for one in found["shifts"]} == {"none"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/calibration?budget=2", "budget"),
        ("/v1/drift?side=up", "side"),
        ("/v1/claims?limit=0", "limit"),
        ("/v1/audit/export?stream=No!", "stream"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(store: Store, path: str, field: str) -> None:
    answer = Served(store).client.get(path)

    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field


def test_old_interactions_go_and_sums_by_the_hour_stay(store: Store) -> None:
    # Far apart: what is between them does not matter.
    take(store, a_claim(1, "42"), a_claim(2, "42") | {"at": NOON + 20 * 3600})
    take(store, a_claim(3, "42") | {"at": NOON + 3 * DAY_S})
    forget_old(store, Settings(keep_days=1), NOON + 3 * DAY_S)

    with store.read() as connection:
        for table in (INTERACTIONS, CLAIMS, WINDOWS, WINDOW_LATENCY):
            assert len(connection.execute(table.select()).all()) == 1
    hour = int(NOON) // 3600 * 3600
    rows = get(store, f"/v1/windows?since={hour}&until={hour + 3600}")["windows"]
    assert [row["sums"]["asked"] for row in rows] == [1]


def test_a_tenant_that_is_erased_leaves_no_claims(store: Store) -> None:
    take(store, a_claim(1, "42"), a_claim(2, "41") | {"tenant": "demo/team-b"})
    erase_tenant(store, "demo/team-a", NOON + 100)

    with store.read() as connection:
        kept = {row.tenant for row in connection.execute(CLAIMS.select())}
    assert kept == {"demo/team-b"}


def test_the_audit_is_served_sealed_exported_and_proved(store: Store) -> None:
    take(store, a_decision(1), a_decision(2))
    served = Served(store)

    lines = served.client.get("/v1/audit/export").text.splitlines()
    proofs = served.client.get("/v1/audit/proofs/d-pod-one-000001").json()["proofs"]

    assert '"format":"tierwise-audit/1"' in lines[0]
    assert len(proofs) == 1
    assert served.client.get("/v1/audit/verify").json()["intact"]
    assert served.client.post("/v1/audit/checkpoints").json() == {"made": 0}
    assert served.client.get("/v1/audit/proofs/d-none").status_code == 404
