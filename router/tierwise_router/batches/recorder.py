"""Answers on their way to the disk: those that come together share one wait for it."""

from __future__ import annotations

import asyncio

from tierwise_core.errors import TierwiseError
from tierwise_router.batches.lease import Lease

__all__ = ["LostRunError", "Recorder"]


class LostRunError(TierwiseError):
    """Somebody else works on the job now: this process was believed dead."""

    reason = "RunLost"


class Recorder:
    """Writes the answers of one run; lives in one event loop."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(self, line: bytes) -> None:
        """Give a line to the disk; it is there for good when this returns.

        Raises LostRunError, or the OSError of the disk.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((line, done))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        await done

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._append, b"".join(line for line, _ in taken))
            except Exception as error:  # noqa: BLE001 - told to whoever waits, none may hang
                _tell(taken, error)
            else:
                _tell(taken, None)
        self._writing = None

    def _append(self, lines: bytes) -> None:
        if not self._lease.ours:
            raise LostRunError(f"another process works on {self._lease.job.id} now")
        self._lease.record(lines)


def _tell(taken: list[tuple[bytes, asyncio.Future[None]]], error: Exception | None) -> None:
    for _line, done in taken:
        if done.done():  # who waited was cancelled; the line is recorded all the same
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
