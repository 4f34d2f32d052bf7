"""A dispatcher as a process of its own, with an engine and a journal: to be killed.

Run as a script with the journal's folder and its bytes; it prints its address and serves.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop
from dispatchers import Running, general, route
from instant_engine import instant_engine

from tierwise_router.journal import Journal


async def serve(folder: Path, max_bytes: int) -> None:
    async with instant_engine() as url:
        running = await Running.start(route("sorter", url), general("frontier", url))
        dispatcher = running.dispatcher
        dispatcher.journal = Journal(folder, dispatcher.ids.process, max_bytes)
        dispatcher.journal.start(in_turn=True)
        print(f"http://127.0.0.1:{running.listener.port}", flush=True)  # noqa: T201 - it says where
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
