"""Engines and dispatchers that a test starts are stopped after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from dispatchers import Running
from fake_engine import FakeEngine, Script

__all__ = ["engine", "run"]


@pytest.fixture
async def engine() -> AsyncIterator[Callable[[Script], Awaitable[FakeEngine]]]:
    started: list[FakeEngine] = []

    async def start(script: Script) -> FakeEngine:
        started.append(await FakeEngine.start(script))
        return started[-1]

    yield start
    for one in started:
        await one.stop()


@pytest.fixture
async def run() -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    started: list[Running] = []

    async def start(*routes: object, **options: object) -> Running:
        started.append(await Running.start(*routes, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for one in started:
        await one.stop()
