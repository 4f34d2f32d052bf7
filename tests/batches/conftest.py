"""Routers with a folder for files and batches, stopped after the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from offices import Office
from running_routers import engine

__all__ = ["engine", "office"]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Office]]]:
    started: list[Office] = []

    async def start(*routes: object, **options: object) -> Office:
        started.append(await Office.open(tmp_path, *routes, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for one in started:
        await one.close()
