"""A ledger with a day of a small fleet in it, for what the page shows."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from recorded_decisions import an_escalation

from tierwise_core.bill import PriceChange
from tierwise_core.capacity import Held, Look, Unit
from tierwise_core.decision_record import DecisionRecord, StepRecord
from tierwise_ledger.ingest import ingest
from tierwise_ledger.money.fleet_view import FleetView, Seat
from tierwise_ledger.money.looks import take_view
from tierwise_ledger.service.app import build
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

NOW = 1_795_339_800.0
DAY_S = 86_400.0
HOUR_S = 3600.0
TOKEN = "open-sesame"
THE_ONE = "d-x7k2p-076779f8-000003"
SMALL = {"sorting": "demo/sorter", "reversing": "demo/reverser", "billing": "demo/ledgerist"}
TENANTS = ("demo/team-a", "demo/team-b")
SEATS = (
    Seat("rtx-4090", "gpu-node-01", "demo/sorter", 1, "sorter-7c-1"),
    Seat("rtx-4090", "gpu-node-01", "demo/reverser", 1, "reverser-5d-1"),
    Seat("rtx-4090", "gpu-node-02", "demo/sorter", 1, "sorter-9a-1"),
    Seat("rtx-4090", "gpu-node-02", "demo/ledgerist", 1, "ledgerist-1"),
    Seat("rtx-4090", "gpu-node-02", "", 2),
    Seat("h100", "gpu-node-03", "demo/frontier", 2, "frontier-7d4b-p9q"),
    Seat("h100", "gpu-node-03", "", 6),
)


def fill(store: Store, *, looks: bool = True, requests: int = 700) -> None:
    """Write the day down: requests, words on answers, and looks at the fleet."""
    rows = list(day(requests))
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOW)
    if looks:
        for step in range(25):
            with store.begin() as connection:
                take_view(connection, _view(NOW - DAY_S + step * 3600))


def day(requests: int = 700) -> Iterator[dict[str, Any]]:
    """Give the rows of the day as a router's journal would."""
    chance = random.Random(6)  # noqa: S311 - the same day each time
    for number in range(requests):
        record = _decision(number, NOW - DAY_S * (1 - number / requests), chance)
        yield record.to_row()
        if record.specialist and chance.random() < 0.5:
            right = chance.random() < (record.steps[-1].confidence or 0.5) - 0.08
            yield {"kind": "feedback", "decision": record.id, "accepted": right, "at": record.at}
    one = an_escalation(at=NOW - 60, field="reversing", tenant=TENANTS[0])
    yield one.to_row()
    yield {
        "kind": "feedback", "decision": THE_ONE, "accepted": False, "at": NOW - 30,
        "corrected": "<b>dcba</b>", "comment": "letters were lost",
    }  # fmt: skip
    yield from rollout()


def rollout(name: str = "sorter-b2e85f13") -> Iterator[dict[str, Any]]:
    """Give what the audit has of the rollout that moves the day's sorting to r2."""
    steps = (
        (0.3, "Canary", 5),
        (0.45, "Shifting", 20),
        (0.6, "Shifting", 39),
        (0.8, "Shifting", 65),
    )
    whose = {"subject": f"Rollout/demo/{name}", "specialist": "demo/sorter"}
    yield {
        "kind": "audit", "stream": "rollouts", "action": "lined-up", "id": f"{name}-sides", **whose,
        "at": NOW - DAY_S * 0.7, "blue": ["r1"], "green": ["r2"],
    }  # fmt: skip
    for share, stage, percent in steps:
        yield {
            "kind": "audit", "stream": "rollouts", "action": "shifted", "id": f"{name}-{share}",
            **whose, "at": NOW - DAY_S * (1 - share), "stage": stage, "green_percent": percent,
            "reason": "CanaryPassed: utility 0.902 of 85 answers against 0.838 of 515",
        }  # fmt: skip


def _decision(number: int, at: float, chance: random.Random) -> DecisionRecord:
    field = chance.choices(list(SMALL), (5, 3, 2))[0]
    share = number / 700
    green = field == "sorting" and chance.random() < max(0.0, share - 0.3) * 1.3
    sure = min(0.99, max(0.2, chance.gauss(0.91 if green else 0.85, 0.1)))
    first = StepRecord(
        SMALL[field], "rtx-4090", "r2" if green else "r1",
        "sorter-9a-1" if green else f"{SMALL[field][5:]}-7c-1", predicted=0.86, confidence=sure,
        floor=0.8, verdict="accept" if sure >= 0.8 else "escalate", seconds=0.2,
        cost_usd=2.2e-5, input_tokens=220, output_tokens=90,
    )  # fmt: skip
    steps, state = (first,), "accepted"
    if first.verdict == "escalate":
        again = chance.random() < 0.93
        steps = (
            first,
            replace(
                first, specialist="demo/frontier", tier="h100", revision="r1", cost_usd=8.3e-4,
                pod="frontier-7d4b-p9q", floor=0.55, confidence=0.93 if again else 0.4,
                verdict="accept" if again else "abstain", seconds=0.6, own_field=None,
            ),
        )  # fmt: skip
        state = "escalated" if again else "abstained"
    elif chance.random() < 0.02:
        steps, state = (replace(first, verdict="failed", failure="timeout"),), "failed"
    answered = steps[-1].specialist if state in {"accepted", "escalated"} else ""
    return DecisionRecord(
        f"d-{number:06d}", at=at, model="auto", tenant=TENANTS[number % 3 == 0], field=field,
        field_probability=0.93, in_domain=0.98, query_id=f"q{number}", steps=steps, state=state,  # type: ignore[arg-type]
        status=200, specialist=answered, calls=len(steps),
        seconds=sum(step.seconds or 0.0 for step in steps),
        cost_usd=sum(step.cost_usd for step in steps),
    )  # fmt: skip


def _view(at: float) -> FleetView:
    held: dict[Unit, Held] = {}
    for seat in SEATS:
        unit = Unit(seat.tier, seat.holder)
        held[unit] = Held(seat.gpus + (held[unit].gpus if unit in held else 0))
    prices = (
        PriceChange("rtx-4090", round(at * 1000), 400_000_000),
        PriceChange("h100", round(at * 1000), 3_000_000_000),
    )
    return FleetView(Look(round(at * 1000), held), prices, seats=SEATS)


def fill_once(store: Store) -> None:
    """Write down a few requests of one hour, and nothing before or after it."""
    noon = (NOW - DAY_S / 2) // HOUR_S
    decisions = (row for row in day() if row["kind"] == "decision")
    rows = [row for row in decisions if row["at"] // HOUR_S == noon]
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOW)


def served(folder: Path, *fillers: Callable[[Store], None]) -> Iterator[str]:
    """Serve a ledger on a free port of this machine until the iterator goes on."""
    made = Store.open(f"sqlite:///{folder}/ledger.db")
    for filler in fillers:
        filler(made)
    app = build(made, Settings(token=TOKEN), clock=lambda: NOW, jobs=())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    ready = threading.Event()
    begin = server.startup

    async def told(sockets: object = None) -> None:
        await begin(sockets=None)
        ready.set()

    server.startup = told  # type: ignore[assignment]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(60)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
    made.close()
