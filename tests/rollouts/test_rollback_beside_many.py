"""A rollback is due within a second, also while everybody else waits for a pass."""

from __future__ import annotations

import asyncio

from stage import Stage, stage

from tierwise_operator.workqueue import Item

__all__ = ["stage"]
MANY = 200


async def test_others_have_their_turn_between_two_passes_that_write_nothing(stage: Stage) -> None:
    """An answer of the ledger is heard although hundreds of objects are looked at."""
    await stage.start()
    for number in range(MANY):
        stage.operator.queue.add(Item("Specialist", f"ai/gone-{number}"))
    working = asyncio.create_task(stage.operator.work())
    await asyncio.sleep(0)
    left = []
    while len(stage.operator.queue):
        left.append(len(stage.operator.queue))
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert len(left) > MANY // 64  # there are 32 workers


async def test_a_rollout_overtakes_everybody_who_waits(stage: Stage) -> None:
    await stage.start()
    for number in range(MANY):
        stage.operator.queue.add(Item("Specialist", f"ai/gone-{number}"))
    stage.operator.queue.add(Item("Rollout", "ai/v2"))
    assert stage.operator.queue.take() == Item("Rollout", "ai/v2")
