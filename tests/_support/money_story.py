"""Four hours of a small fleet, whose bill can be made by hand."""

from __future__ import annotations

from typing import Any

from fleet_looks import HOUR_S, SINCE, a_fleet, watch_fleet
from ledgers import Served, a_decision, a_word

from tierwise_ledger.ingest import ingest

UNTIL = SINCE + 4 * HOUR_S
EXTERNAL_USD = 0.0123


def record(ledger: Served, *rows: dict[str, Any]) -> None:
    with ledger.store.begin() as connection:
        taken = ingest(connection, rows, received_at=ledger.clock.now)
    assert not taken.rejected


def answered(number: int, at: float, **changed: Any) -> dict[str, Any]:
    return a_decision(number, at=at, **changed)


def a_story(ledger: Served) -> None:
    """Four hours: a price is raised after one and a half, the large model goes after two."""
    rate = {"prefillTokensPerSecond": 5000, "decodeTokensPerSecond": 800, "measured": True}
    rates = [{"specialist": "demo/sorter", "tier": "rtx-4090", **rate}]
    small = (("rtx-4090", "demo/sorter", 2), ("rtx-4090", "", 1))
    first = a_fleet(*small, ("h100", "demo/large", 1), rates=rates)
    dearer = {"rtx-4090": 0.60, "h100": 3.00}
    raised = {**first, "tiers": a_fleet(prices=dearer)["tiers"]}
    alone = a_fleet(*small, ("h100", "", 1), prices=dearer)
    watch_fleet(ledger.store, first, SINCE, SINCE + 1.5 * HOUR_S - 180)
    watch_fleet(ledger.store, raised, SINCE + 1.5 * HOUR_S, SINCE + 2 * HOUR_S - 180)
    watch_fleet(ledger.store, alone, SINCE + 2 * HOUR_S, UNTIL)
    sorted_ones = [answered(number, SINCE + 60 + number) for number in range(100)]
    passed_on = answered(0, SINCE)["steps"][0] | {"confidence": 0.4, "verdict": "escalate"}
    large = {"specialist": "demo/large", "tier": "h100", "verdict": "accept"}
    way = {"steps": [passed_on, passed_on | large], "state": "escalated"}
    team = {"tenant": "demo/team-b", "specialist": "demo/large"}
    escalated = [
        answered(200 + number, SINCE + HOUR_S + number, **team, **way) for number in range(10)
    ]
    provider = {"specialist": "demo/gpt", "tier": "external", "cost_usd": EXTERNAL_USD}
    provider |= {"input_tokens": 1000, "cached_tokens": 400}
    bought = answered(300, SINCE + HOUR_S, step=provider, cost_usd=EXTERNAL_USD)
    words = [a_word(number, accepted=False, at=SINCE + HOUR_S) for number in range(20)]
    record(ledger, *sorted_ones, *escalated, bought, *words)
