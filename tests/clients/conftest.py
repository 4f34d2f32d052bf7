"""Every driver runs once beside each engine, and the tests look at what its client was told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import cache, partial

import pytest
from client_drives import Driven, drive_beside_the_fake, drive_beside_vllm
from real_engine import real_engine

Drive = Callable[..., Driven]


@pytest.fixture(scope="session", params=["fake", pytest.param("vllm", marks=pytest.mark.engine)])
def drive(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drive]:
    """Run a driver against a router in front of a scripted engine, and of the real vLLM."""
    if request.param == "fake":
        yield cache(lambda *case: asyncio.run(drive_beside_the_fake(*case)))
        return
    with real_engine(tmp_path_factory.mktemp("vllm") / "engine.log") as url:
        go = partial(drive_beside_vllm, engine_url=url)
        yield cache(lambda *case: asyncio.run(go(*case)))


@pytest.fixture(scope="session")
def drive_the_fake() -> Drive:
    """The same for what a real engine cannot be asked to do."""
    return cache(lambda *case: asyncio.run(drive_beside_the_fake(*case)))
