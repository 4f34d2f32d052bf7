"""A dispatcher that is killed has written down everything that it answered."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tierwise_router.journal_files import Marks, tail

SUPPORT = Path(__file__).parents[1] / "_support"
DECISION = "x-tierwise-decision"
CLIENTS = 16
BODY = {"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}]}


@contextmanager
def a_router(folder: Path, max_bytes: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, str(SUPPORT / "recording_router.py"), str(folder), str(max_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as router:
        assert router.stdout is not None
        try:
            yield router, router.stdout.readline().decode().strip()
        finally:
            router.kill()


async def ask_until_it_is_gone(
    url: str, enough: int, router: subprocess.Popen[bytes], *, stream: bool
) -> list[str]:
    """Ask with many clients at once; kill it after ``enough`` answers; tell the answers in turn."""
    answered: list[str] = []

    async def ask(client: httpx.AsyncClient) -> None:
        while True:
            async with client.stream(
                "POST", f"{url}/v1/chat/completions", json={**BODY, "stream": stream}
            ) as answer:
                await answer.aread()
                assert answer.status_code == httpx.codes.OK
            answered.append(answer.headers[DECISION])
            if len(answered) == enough:
                router.kill()

    async def ask_on() -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            try:
                await ask(client)
            except httpx.TransportError:
                return

    await asyncio.gather(*(ask_on() for _ in range(CLIENTS)))
    return answered


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_kill_nine_loses_nothing_that_was_answered(tmp_path: Path, *, stream: bool) -> None:
    with a_router(tmp_path / "journal", 1 << 30) as (router, url):
        answered = await ask_until_it_is_gone(url, 300, router, stream=stream)

    written = {row["id"] for row in tail(tmp_path / "journal", Marks())}
    assert len(answered) >= 300
    assert set(answered) <= written


async def test_nothing_is_lost_where_one_file_ends_and_the_next_begins(tmp_path: Path) -> None:
    # The smallest files there are: one is full after some thirty answers.
    with a_router(tmp_path / "journal", 1 << 20) as (router, url):
        answered = await ask_until_it_is_gone(url, 290, router, stream=False)

    written = {row["id"] for row in tail(tmp_path / "journal", Marks())}
    assert len(list((tmp_path / "journal").iterdir())) > 1
    assert set(answered) <= written
