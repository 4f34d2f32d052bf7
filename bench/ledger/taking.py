"""Outcomes per second: batches as routers send them, each in its own transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
from rich.console import Console

from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store

BATCH = 400
BEGIN = 1_750_000_000.0


def records(start: int, count: int) -> list[dict[str, Any]]:
    """Decisions as a router writes them: seven candidates, one call, one of ten escalates."""
    return [decision(number) for number in range(start, start + count)]


def decision(number: int) -> dict[str, Any]:
    steps = [step("demo/sorter", "rtx-4090", 0.95)]
    if number % 10 == 0:
        steps = [step("demo/sorter", "rtx-4090", 0.4), step("demo/frontier", "h100", 0.97)]
    candidate = {
        "specialist": "demo/sorter", "tier": "rtx-4090", "revision": "5d41402abc",
        "predicted": 0.91,
        "lower": 0.88, "support": 120.0, "floor": 0.85, "expected_usd": 0.00011, "total": 0.7,
        "scores": {"confidence": 0.9, "cost": 0.8, "load": 0.7}, "why": "field", "lost": "",
    }  # fmt: skip
    return {
        "kind": "decision", "id": f"d-bench-one-{number:08x}", "at": BEGIN + number / 500,
        "endpoint": "/chat/completions", "model": "auto", "tenant": f"demo/team-{number % 20}",
        "session": f"{number % 5000:016x}", "query_id": f"{number % 100_000:032x}",
        "features": [0.5] * 24, "field": ("sorting", "math", "general")[number % 3],
        "field_probability": 0.9, "in_domain": 0.98, "field_shares": {"sorting": 0.9, "math": 0.1},
        "candidates": [candidate] * 7, "steps": steps, "status": 200,
        "state": "accepted" if len(steps) == 1 else "escalated",
        "specialist": steps[-1]["specialist"], "calls": len(steps), "max_calls": 8, "max_hops": 4,
        "cost_usd": 0.00002 * len(steps), "seconds": 0.25,
    }  # fmt: skip


def step(specialist: str, tier: str, confidence: float) -> dict[str, Any]:
    return {
        "specialist": specialist, "tier": tier, "revision": "5d41402abc", "pod": "pod-1",
        "own_field": "sorting", "predicted": 0.91, "confidence": confidence, "floor": 0.85,
        "verdict": "accept" if confidence > 0.85 else "escalate", "seconds": 0.2,
        "cost_usd": 0.00002, "input_tokens": 120, "output_tokens": 40, "cached_tokens": 0,
        "queue_s": 0.0, "ttft_s": 0.05, "checks": [],
    }  # fmt: skip


def batches() -> Iterator[list[dict[str, Any]]]:
    start = 0
    while True:
        yield records(start, BATCH)
        start += BATCH


def taking(out: Console, store: Store, seconds: float) -> None:
    """Take batches for a while, and print how many outcomes a second that makes."""
    taken, busy_s, slowest_s, cpu_s = 0, 0.0, 0.0, 0.0
    with out.status("taking outcomes ..."):
        for rows in batches():
            body = [orjson.dumps(row) for row in rows]
            began_at, cpu_at = time.perf_counter(), time.process_time()
            with store.begin() as connection:
                told = ingest(connection, [orjson.loads(line) for line in body], received_at=BEGIN)
            took_s = time.perf_counter() - began_at
            cpu_s += time.process_time() - cpu_at
            taken, busy_s, slowest_s = taken + told.new, busy_s + took_s, max(slowest_s, took_s)
            if busy_s > seconds:
                break
    out.print(
        f"  taking: {taken / busy_s:,.0f} outcomes/s sustained over {busy_s:.0f} s ({taken:,} in "
        f"batches of {BATCH}; a batch {1000 * BATCH * busy_s / taken:.0f} ms, the slowest "
        f"{1000 * slowest_s:.0f} ms; {taken / cpu_s:,.0f} per second of its own processor time), "
        "audit, claims and windows included"
    )
