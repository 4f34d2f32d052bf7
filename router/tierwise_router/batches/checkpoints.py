"""Steps of a background request that outlive the process: work that is resumed skips them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from pathlib import Path

from tierwise_router.batches.job import Job

__all__ = ["DiskCheckpoints"]


class DiskCheckpoints:
    """A file for each step, named by the hash of what the step asks."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def get(self, step: str) -> bytes | None:
        """Give the step's answer if it was reached before."""
        return await asyncio.to_thread(self._read, self._path(step))

    async def put(self, step: str, answer: bytes) -> None:
        """Keep the step's answer; it is durable when this returns."""
        await asyncio.to_thread(self._write, self._path(step), answer)

    def _path(self, step: str) -> Path:
        return self._job.folder / "steps" / hashlib.sha256(step.encode()).hexdigest()

    @staticmethod
    def _read(path: Path) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        return None

    def _write(self, path: Path, answer: bytes) -> None:
        self._job.disk.make_folder(path.parent)
        self._job.disk.write_whole(path, answer)
