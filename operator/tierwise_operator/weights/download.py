"""One file from its source to the disk: resumed where it broke off, checked by its hash.

Trouble that passes (an outage, a broken connection, ``429`` and ``503``) is waited out, for as long
as the server asks or with growing pauses; whoever sends nothing, or nothing but drops, is given up
after a bounded number of tries without progress.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tierwise_core.errors import SourceUnreadableError
from tierwise_core.quantities import format_bytes
from tierwise_core.remote_files import RemoteFile, promised_hash
from tierwise_operator.sources.origin import BusyError, Origin
from tierwise_operator.weights.errors import CorruptError, told_by_system
from tierwise_operator.weights.hashing import BLOCK_BYTES, Hashes
from tierwise_operator.weights.locks import Wait
from tierwise_operator.weights.progress import Progress

__all__ = ["Download", "Patience"]

FIRST_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a source is waited for.

    Attributes:
        tries: failures in a row, without progress between them, until it is given up.
        block_seconds: the time for each block of 4 MiB; slower is a failure.
        longest_pause_seconds: the longest pause between tries, also if the server asks for more.
        progress_bytes: less than this between two failures is no progress.
    """

    tries: int = 6
    block_seconds: float = 120.0
    longest_pause_seconds: float = 120.0
    progress_bytes: int = 2**20


@dataclass(slots=True)
class Download:
    """A file that is being fetched into ``part``."""

    origin: Origin
    file: RemoteFile
    part: Path
    progress: Progress
    wait: Wait
    patience: Patience = Patience()

    async def run(self) -> str:
        """Fetch the file; returns its SHA-256.

        Raises:
            CorruptError: it came twice with another hash than its source promises.
            CacheFullError: the disk is full.
            SourceError: the source gave up on us, or we on it.
        """
        first = await self._once()
        if self._is_as_promised(first):
            return first.sha256
        self.progress.remark(f"{self.file.path} arrived damaged; it is fetched again")
        self._forget()
        second = await self._once()
        encrypted = self.file.identity.startswith("md5:") and first.sha256 == second.sha256
        if self._is_as_promised(second) or encrypted:  # an ETag need not be an MD5
            return second.sha256
        self.part.unlink(missing_ok=True)
        raise CorruptError(
            f"{self.file.path}: its source promises {self.file.identity}, what came twice is "
            f"sha256:{second.sha256}; upload the file again"
        )

    def _is_as_promised(self, hashes: Hashes) -> bool:
        promise = promised_hash(self.file.identity)
        return promise is None or hashes.promised == promise[1]

    def _forget(self) -> None:
        self.progress.add(-self.file.size_bytes)
        self.part.unlink(missing_ok=True)

    async def _once(self) -> Hashes:
        promise = promised_hash(self.file.identity)
        hashes = Hashes(promise[0] if promise else "sha256", self.file.size_bytes)
        self.part.parent.mkdir(parents=True, exist_ok=True)
        with self.part.open("a+b") as out:
            try:
                position = await asyncio.to_thread(_take_up, out, hashes, self.file.size_bytes)
                self.progress.already(position)
                await self._through(out, hashes, position)
                await asyncio.to_thread(os.fsync, out.fileno())
            except OSError as error:
                raise told_by_system(error, self.part) from error
        return hashes

    async def _through(self, out: BinaryIO, hashes: Hashes, position: int) -> None:
        """Append until the end, over as many connections as it takes."""
        failures, mark = 0, position
        while position < self.file.size_bytes:
            try:
                async for count in self._append(out, hashes, position):
                    position += count
                if position < self.file.size_bytes:
                    raise BusyError(f"{self.file.path} broke off at byte {position}")
            except SourceUnreadableError as error:
                failures = 1 if position - mark >= self.patience.progress_bytes else failures + 1
                mark = position
                if not error.retryable or failures >= self.patience.tries:
                    raise
                await self._pause(error, failures)

    async def _append(self, out: BinaryIO, hashes: Hashes, position: int) -> AsyncIterator[int]:
        """Write blocks as they come; yields their sizes."""
        async with aclosing(self._blocks(position)) as blocks:
            async for block in blocks:
                await asyncio.to_thread(_write, out, hashes, block)
                self.progress.add(len(block))
                yield len(block)

    async def _blocks(self, position: int) -> AsyncGenerator[bytes, None]:
        """What comes, in blocks; at the end of a connection what there is of the last one."""
        block = bytearray()
        async with aclosing(self.origin.chunks(self.file, position, None)) as chunks:
            try:
                while await self._fill(block, chunks):
                    yield bytes(block)
                    block.clear()
            except SourceUnreadableError:
                if block:
                    yield bytes(block)
                raise
        if block:
            yield bytes(block)

    async def _fill(self, block: bytearray, chunks: AsyncGenerator[bytes, None]) -> bool:
        """Fill a block; says whether it became full, or the connection ended before."""
        try:
            async with asyncio.timeout(self.patience.block_seconds):
                while len(block) < BLOCK_BYTES:
                    block += await anext(chunks)
        except StopAsyncIteration:
            return False
        except TimeoutError as error:
            raise self._slow() from error
        return True

    def _slow(self) -> BusyError:
        return BusyError(
            f"{self.file.path}: the source sends less than {format_bytes(BLOCK_BYTES)} in "
            f"{self.patience.block_seconds:.0f} s"
        )

    async def _pause(self, error: SourceUnreadableError, failures: int) -> None:
        asked = error.after_seconds if isinstance(error, BusyError) else None
        growing = FIRST_PAUSE_SECONDS * 2 ** (failures - 1)
        seconds = min(self.patience.longest_pause_seconds, growing if asked is None else asked)
        self.progress.remark(f"{error} (try {failures + 1} in {seconds:.0f} s)")
        await self.wait(seconds)


def _take_up(out: BinaryIO, hashes: Hashes, size_bytes: int) -> int:
    """Hash what an earlier try left behind; returns how much that is."""
    out.seek(0, os.SEEK_END)
    if out.tell() > size_bytes:
        out.truncate(0)
    out.seek(0)
    while block := out.read(BLOCK_BYTES):
        hashes.update(block)
    return out.tell()


def _write(out: BinaryIO, hashes: Hashes, block: bytes) -> None:
    out.write(block)
    out.flush()
    hashes.update(block)
