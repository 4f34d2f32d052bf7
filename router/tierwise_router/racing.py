"""Two attempts beside each other: the first that succeeds is taken, the other one is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["race"]

T = TypeVar("T")


async def race(
    first: Coroutine[Any, Any, T],
    second: Callable[[], Coroutine[Any, Any, T] | None],
    delay_s: float,
    drop: Callable[[T], None],
) -> T:
    """Give the first result.

    ``second`` is asked for another attempt after ``delay_s``, and may have none. When both fail,
    the first one's error is raised. ``drop`` gets the result of who came too late. Whatever ends
    this ends both attempts.
    """
    tasks = [asyncio.ensure_future(first)]
    winner: asyncio.Task[T] | None = None
    try:
        await asyncio.wait(tasks, timeout=delay_s)
        if not tasks[0].done() and (other := second()) is not None:
            tasks.append(asyncio.ensure_future(other))
        winner = await _first_success(tasks)
        return winner.result()
    finally:
        await _give_up([task for task in tasks if task is not winner], drop)


async def _first_success(tasks: list[asyncio.Task[T]]) -> asyncio.Task[T]:
    running = set(tasks)
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done and task.exception() is None:
                return task
    return tasks[0]


async def _give_up(losers: list[asyncio.Task[T]], drop: Callable[[T], None]) -> None:
    for task in losers:
        task.cancel()
    if not losers:
        return
    await asyncio.wait(losers)
    for task in losers:
        if not task.cancelled() and task.exception() is None:
            drop(task.result())
