"""A ledger that answers in this process, and records for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.testclient import TestClient

from tierwise_ledger.service.app import build
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

NOON = 1_750_000_000.0


@dataclass(slots=True)
class Clock:
    """A clock that is set by hand; seconds since the epoch."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


def a_decision(number: int, **changed: Any) -> dict[str, Any]:
    """A decision's row as a router writes it: one Specialist was asked, and answered."""
    step: dict[str, Any] = {
        "specialist": "demo/sorter",
        "tier": "rtx-4090",
        "revision": "r1",
        "pod": "sorter-1",
        "own_field": "sorting",
        "predicted": 0.91,
        "confidence": 0.95,
        "floor": 0.85,
        "verdict": "accept",
        "seconds": 0.2,
        "cost_usd": 0.000022,
        "input_tokens": 12,
        "output_tokens": 5,
        "verified": None,
        "checks": [],
    }
    step |= changed.pop("step", {})
    return {
        "kind": "decision",
        "id": f"d-pod-one-{number:06x}",
        "at": NOON + number,
        "endpoint": "/chat/completions",
        "model": "auto",
        "tenant": "demo/team-a",
        "query_id": f"q-{number % 7}",
        "field": "sorting",
        "steps": [step],
        "state": "accepted",
        "status": 200,
        "specialist": step["specialist"],
        "calls": 1,
        "cost_usd": step["cost_usd"],
        "seconds": 0.25,
    } | changed


def a_word(number: int, *, accepted: bool, at: float = NOON, **more: Any) -> dict[str, Any]:
    """What somebody said of a decision's answer."""
    return {
        "kind": "feedback", "decision": f"d-pod-one-{number:06x}", "accepted": accepted, "at": at,
    } | more  # fmt: skip


@dataclass(slots=True)
class Served:
    """A ledger behind HTTP, without a socket; ``down`` makes it refuse, as a lost one does."""

    store: Store
    settings: Settings = field(default_factory=Settings)
    clock: Clock = field(default_factory=Clock)
    down: bool = False
    asked: int = 0
    lose_answers: bool = False
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        app = build(self.store, self.settings, clock=self.clock, jobs=())
        self.client = TestClient(app, raise_server_exceptions=False)

    def transport(self) -> httpx.MockTransport:
        """Give what carries a client's requests to it."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.down:
            raise httpx.ConnectError("connection refused", request=request)
        answer = self.client.request(
            request.method, str(request.url.copy_with(scheme="http", host="testserver", port=None)),
            content=request.content, headers=dict(request.headers),
        )  # fmt: skip
        if self.lose_answers:
            raise httpx.ReadError("connection reset", request=request)
        return httpx.Response(
            answer.status_code, content=answer.content, headers=dict(answer.headers)
        )


def count(store: Store, table: Any) -> int:
    """Count the rows of a table."""
    from sqlalchemy import func, select  # noqa: PLC0415 - only those that count need it

    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
