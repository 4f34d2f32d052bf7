"""``GET /v1/rollouts``: the shares that every dispatcher of this pod has taken up.

The operator asks, to know that a share counts before it waits for what comes of it. One port leads
to any of the dispatchers, so that one alone cannot answer for the pod: each leaves what it applies
in the pod's folder, and the answer waits until all say the same.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import orjson

from tierwise_core.errors import NoEndpointError
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.shares import share_rows

__all__ = ["agreed_shares", "leave_shares"]

SUFFIX: Final = ".shares"
LOOK_EVERY_S: Final = 0.02
LOOKS: Final = 50


def leave_shares(dispatcher: Dispatcher) -> None:
    """Leave what this dispatcher applies where the pod's others find it, whole or not at all."""
    if not dispatcher.tally_files or dispatcher.brain is None:
        return
    path = Path(dispatcher.tally_files) / f"{os.getpid()}-{dispatcher.ids.process}{SUFFIX}"
    fresh = path.with_suffix(".new")
    fresh.write_bytes(orjson.dumps(share_rows(dispatcher.brain.table)))
    fresh.replace(path)


async def agreed_shares(dispatcher: Dispatcher, looks: int = LOOKS) -> list[dict[str, Any]]:
    """Give the shares once all dispatchers of the pod apply the same, which takes milliseconds.

    Raises NoEndpointError while there is no table, and when they still differ after a second.
    """
    rows: list[dict[str, Any]] = []
    for look in range(looks):
        if look:
            await asyncio.sleep(LOOK_EVERY_S)
        rows = share_rows(dispatcher.current_brain().table)
        if all(others == rows for others in _left(dispatcher)):
            return rows
    raise NoEndpointError("the dispatchers of this pod have not all taken up the newest shares")


def _left(dispatcher: Dispatcher) -> list[Any]:
    """Read what the living dispatchers have left."""
    if not dispatcher.tally_files:
        return []
    paths = Path(dispatcher.tally_files).glob(f"*{SUFFIX}")
    return [orjson.loads(path.read_bytes()) for path in paths if _lives(path)]


def _lives(path: Path) -> bool:
    return Path(f"/proc/{path.stem.partition('-')[0]}").exists()
