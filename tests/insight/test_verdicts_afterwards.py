"""Verifiers' words that come after their answers, as routers write them."""

from __future__ import annotations

from typing import Any

from ledgers import NOON, Served, a_decision, a_word

from tierwise_core.late_verdict import Verdict
from tierwise_core.windows import Window
from tierwise_ledger.batch import Ingested
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store

OF = {"specialist": "demo/sorter", "blue": "r1", "green": "r2", "since": str(NOON - 100)}
PASSED_ON = {"confidence": None, "verdict": "relayed", "own_field": None, "floor": 0.0}


def take(store: Store, *rows: dict[str, Any]) -> Ingested:
    with store.begin() as connection:
        return ingest(connection, rows, received_at=NOON)


def by_name(number: int) -> dict[str, Any]:
    """An answer to a request by name: nobody has judged it."""
    return a_decision(number, step=PASSED_ON, state="relayed", model="sorter", field=None)


def verdict(number: int, *, verified: bool) -> dict[str, Any]:
    check = {"name": "letters", "passed": verified, "detail": "", "confidence": None}
    return Verdict(f"d-pod-one-{number:06x}", 0, verified, (check,)).to_row()


def blue(store: Store, **asked: str) -> Window:
    told = Served(store).client.get("/v1/rollouts/sums", params=OF | asked).json()
    return Window.from_row(told["blue"])


def test_a_verdict_judges_what_went_out_unjudged(store: Store) -> None:
    take(store, *(by_name(number) for number in range(4)))
    assert (blue(store).asked, blue(store).judged) == (4, 0)

    take(store, verdict(0, verified=True), verdict(1, verified=False))

    for feedback in ("true", "false"):
        seen = blue(store, feedback=feedback)
        assert (seen.asked, seen.judged, seen.verifier, seen.accepted) == (4, 2, 2, 1)
    told = Served(store).client.get("/v1/outcomes/d-pod-one-000001").json()
    assert (told["verified"], told["steps"][0]["verified"]) == (False, False)
    assert told["steps"][0]["checks"][0]["name"] == "letters"


def test_it_counts_once_and_comes_with_its_decision_or_after_it(store: Store) -> None:
    said = verdict(0, verified=True)
    take(store, by_name(0), said, said)
    again = take(store, by_name(0), said)

    assert (again.new, again.known) == (0, 2)
    assert (blue(store).judged, blue(store).accepted) == (1, 1)


def test_people_s_words_outweigh_it_whichever_came_first(store: Store) -> None:
    take(store, by_name(0), by_name(1))
    take(store, a_word(0, accepted=False, at=NOON + 5), verdict(1, verified=True))
    take(store, verdict(0, verified=True), a_word(1, accepted=False, at=NOON + 5))

    heard, unheard = blue(store), blue(store, feedback="false")
    assert (heard.judged, heard.feedback, heard.accepted) == (2, 2, 0)
    assert (unheard.judged, unheard.verifier, unheard.accepted) == (2, 2, 2)


def test_what_it_is_about_may_be_gone_and_a_wrong_one_spoils_no_other(store: Store) -> None:
    wrong = verdict(1, verified=True) | {"verified": "yes"}

    found = take(store, by_name(0), wrong, verdict(9, verified=False), verdict(0, verified=True))

    assert found.rejected == (
        "verdict d-pod-one-000001/0: 'verified' is 'yes'; it must be true or false",
    )
    assert (blue(store).judged, blue(store).accepted) == (1, 1)
