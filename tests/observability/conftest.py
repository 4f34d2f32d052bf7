"""Routers that trace, and a collector for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from otlp_receiver import Receiver
from running_routers import engine, run

__all__ = ["collector", "engine", "run"]


@pytest.fixture
async def collector() -> AsyncIterator[Receiver]:
    receiver = await Receiver.start()
    yield receiver
    await receiver.stop()
