"""How long does a rollback take beside thousands of Specialists, at the worst moment?

The operator as it runs (its workers, its queue, its store), beside an API server in memory: every
Specialist serves, all of them and the whole fleet have just been asked for a pass, and in that
moment the ledger says that a candidate is broken. Measured is the time from the ledger's answer to
the write that gives blue everything back, which is what the routers obey.

examples:
    python bench/rollouts/at_scale.py                     # 10,000 Specialists, some minutes
    python bench/rollouts/at_scale.py --specialists 1000
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "_support"
sys.path[:0] = [str(SUPPORT), str(ROOT / "operator"), str(ROOT)]

import structlog  # noqa: E402 - the path is set first
from fake_cluster import FakeCluster  # noqa: E402
from rolling import NOON, ScriptedExaminer, ScriptedLedger, ScriptedRouters  # noqa: E402
from stage import (  # noqa: E402
    Library,
    feeding,
    node_body,
    pod_body,
    specialist_body,
    tier_body,
)

from tierwise_operator.engine_room import Operator  # noqa: E402
from tierwise_operator.kinds import ROLLOUT  # noqa: E402
from tierwise_operator.rolling.means import Means  # noqa: E402
from tierwise_operator.settings import Settings  # noqa: E402
from tierwise_operator.workqueue import Item  # noqa: E402

GPUS_PER_NODE = 8
NEW_MODEL = "file:///models/sorter-v2"
LONGEST_S = 60.0


@dataclass
class Watched(FakeCluster):
    """Notes when a share of nobody is written for green."""

    seen: dict[str, float] = field(default_factory=dict)

    def __init__(self) -> None:
        super().__init__()
        self.seen = {}

    async def apply(self, kind: Any, body: Any, *rest: Any, **named: Any) -> Any:
        answer = await super().apply(kind, body, *rest, **named)
        stage = (body.get("status") or {}).get("stage") if kind is ROLLOUT else None
        if stage:
            self.seen.setdefault(stage, time.perf_counter())
        return answer


class Ledger(ScriptedLedger):
    """Notes when it has told the operator of a broken candidate."""

    told_at: float | None = None

    async def sums(self, asked: Any) -> Any:
        answer = await super().sums(asked)
        if asked.green and self.green.judged > self.green.accepted and self.told_at is None:
            self.told_at = time.perf_counter()
        return answer


def an_operator(cluster: FakeCluster, ledger: Ledger) -> Operator:
    def shares() -> Mapping[tuple[str, str], int]:
        return {}

    return Operator(
        cluster,
        Settings(identity="bench"),
        Library().read,
        clock=lambda: NOON + timedelta(seconds=time.perf_counter()),
        rollouts=lambda changed: Means(
            ledger,  # type: ignore[arg-type]
            ScriptedRouters(shares),  # type: ignore[arg-type]
            ScriptedExaminer(),
            changed,
        ),
    )


def serve(cluster: FakeCluster) -> None:
    """Let every Deployment have a pod, on a GPU of its own."""
    bodies = [body for (kind, _), body in cluster.objects_by_key.items() if kind == "Deployment"]
    for number, body in enumerate(bodies):
        pod = pod_body(body)
        pod["spec"]["nodeName"] = f"n{number // GPUS_PER_NODE}"
        pod["status"]["podIP"] = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        cluster.put(pod)


async def measured(count: int) -> float:
    cluster, ledger = Watched(), Ledger()
    operator = an_operator(cluster, ledger)
    cluster.told = feeding(operator.store)
    cluster.put(tier_body("a100", 80, 1.6))
    for number in range(count // GPUS_PER_NODE + 2):
        cluster.put(node_body(f"n{number}", "a100", GPUS_PER_NODE))
    cluster.put(specialist_body())
    for number in range(count - 1):
        cluster.put(
            specialist_body(f"s{number}", model={"source": f"file:///models/m{number % 50}"})
        )
    ledger.judged("day", 200, 50)
    await settled(operator, "the fleet is placed")
    serve(cluster)
    await settled(operator, "everybody serves")
    cluster.put(specialist_body(model={"source": NEW_MODEL}))
    await settled(operator, "a candidate starts")
    serve(cluster)
    for _ in range(3):
        for item in rollouts(operator):
            operator.queue.add(item)
        await settled(operator, "it is tried")
    print(f"green serves, stage {stage_of(cluster)}", file=sys.stderr)
    return await rolled_back(operator, cluster, ledger)


def rollouts(operator: Operator) -> list[Item]:
    return [Item("Rollout", key) for key in operator.store.rollouts]


def stage_of(cluster: FakeCluster) -> str:
    found = [b for (kind, _), b in cluster.objects_by_key.items() if kind == "Rollout"]
    return str(found[0].get("status", {}).get("stage"))


async def settled(operator: Operator, what: str) -> None:
    began = time.perf_counter()
    await operator.settle()
    print(f"{what}: {time.perf_counter() - began:.1f} s", file=sys.stderr)


async def rolled_back(operator: Operator, cluster: Watched, ledger: Ledger) -> float:
    """Ask for everything at once, let the ledger tell, and wait for the write."""
    workers = asyncio.create_task(operator.work())
    await asyncio.sleep(0)
    await operator.resync()
    ledger.judged("blue", 60, 5)
    ledger.judged("green", 0, 40)
    operator.rollouts.means.sums.expire()
    for item in rollouts(operator):
        operator.queue.add(item)
    began = time.perf_counter()
    last, stall = began, 0.0
    while "RollingBack" not in cluster.seen and time.perf_counter() - began < LONGEST_S:
        await asyncio.sleep(0.001)
        last, stall = time.perf_counter(), max(stall, time.perf_counter() - last)
    print(f"still queued: {len(operator.queue)}", file=sys.stderr)
    workers.cancel()
    await asyncio.gather(workers, return_exceptions=True)
    asked = (ledger.told_at or float("nan")) - began
    whole = cluster.seen.get("RollingBack", float("nan")) - began
    print(
        f"the ledger answered after {asked:.3f} s, blue had everything after {whole:.3f} s; "
        f"the longest time in which nothing else could run: {stall:.3f} s"
    )
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--specialists", type=int, default=10_000, help="how many (10,000)")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(measured(options.specialists))


if __name__ == "__main__":
    main()
