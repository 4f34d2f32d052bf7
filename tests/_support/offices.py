"""A router that keeps files and batches in a folder of the test, and OpenAI's own client for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from dispatchers import Running
from openai import AsyncOpenAI

from tierwise_core.batch import TERMINAL
from tierwise_core.route_table import Route
from tierwise_core.tenant import TenantRoute
from tierwise_router.batches.lease import Watchman
from tierwise_router.files.disk import Disk
from tierwise_router.settings import Settings


def chat_line(custom_id: str, text: str = "sort dbca", model: str = "sorter") -> dict[str, Any]:
    """One request of a batch."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines: Iterable[object]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def patiently(seen: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Look again until it is so; fails after some seconds."""
    async with asyncio.timeout(seconds):
        while not await seen():  # noqa: ASYNC110 - another process may be who does it
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Office:
    """A running router with a folder, worked on by its own crew."""

    running: Running
    openai: AsyncOpenAI
    crew: asyncio.Task[None]
    folder: Path

    @classmethod
    async def open(
        cls,
        folder: Path,
        *routes: Route,
        host: str = "pod-a",
        still_s: float = 0.3,
        disk: Disk | None = None,
        settings: Settings | None = None,
        tenants: Iterable[TenantRoute] = (),
    ) -> Self:
        settings = settings or Settings(files_dir=str(folder))
        running = await Running.start(*routes, settings=settings, tenants=list(tenants))
        desk = running.app.desk
        if disk is not None:
            desk._disk = disk
        desk.start(Watchman(host, still_s=still_s))
        crew = asyncio.get_running_loop().create_task(desk.run())
        http = httpx.AsyncClient(timeout=60)
        client = AsyncOpenAI(
            base_url=f"{running.url}/v1", api_key="none", max_retries=0, http_client=http
        )
        return cls(running, client, crew, folder)

    async def submit(self, lines: bytes, **options: Any) -> Any:
        """Upload requests and begin a batch over them."""
        stored = await self.openai.files.create(file=("in.jsonl", lines), purpose="batch")
        fields = {"endpoint": "/v1/chat/completions", "completion_window": "24h", **options}
        return await self.openai.batches.create(input_file_id=stored.id, **fields)

    async def ended(self, batch_id: str, seconds: float = 60) -> Any:
        """Wait for the end of a batch."""
        last: list[Any] = []

        async def seen() -> bool:
            last[:] = [await self.openai.batches.retrieve(batch_id)]
            return last[0].status in TERMINAL

        await patiently(seen, seconds)
        return last[0]

    async def lines_of(self, file_id: str | None) -> list[dict[str, Any]]:
        """Read an output file; no lines where there is none."""
        if file_id is None:
            return []
        content = await self.openai.files.content(file_id)
        return [json.loads(line) for line in content.text.splitlines()]

    async def leave(self) -> None:
        """Stop working, as a pod that is withdrawn does."""
        self.crew.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.crew

    async def close(self) -> None:
        await self.leave()
        await self.openai.close()
        await self.running.stop()
