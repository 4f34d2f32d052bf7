"""What a source can do, whatever its protocol: list its files, and bring bytes of one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from tierwise_core.errors import SourceUnreadableError
from tierwise_core.remote_files import RemoteFile, RemoteTree

__all__ = ["BusyError", "Origin", "Slice", "slice_of"]


class BusyError(SourceUnreadableError):
    """The source is there and cannot answer now; ``after_seconds`` is when it asked us back."""

    retryable = True

    def __init__(self, message: str, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class Origin(Protocol):
    """A model at its source."""

    @property
    def place(self) -> str:
        """Server and name, without the revision: what tells it from all other sources."""

    async def tree(self) -> RemoteTree:
        """List the files at the revision that the source has now.

        Raises:
            SourceNotFoundError: there is no such model.
            SourceUnreadableError: it cannot be listed.
        """

    def chunks(self, file: RemoteFile, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield the bytes ``start`` to ``stop`` of a file; to its end without ``stop``.

        Raises:
            SourceNotFoundError: the file is gone.
            SourceUnreadableError: it cannot be had; ``retryable`` if a second try may help.
        """


@dataclass(frozen=True, slots=True)
class Slice:
    """A file, or a part of one, of which any range can be read."""

    size_bytes: int
    read: Callable[[int, int], Awaitable[bytes]]

    def part(self, offset: int, size_bytes: int) -> Slice:
        """The bytes from ``offset`` on as a file of its own."""

        async def read(start: int, count: int) -> bytes:
            return await self.read(offset + start, min(count, size_bytes - start))

        return Slice(size_bytes, read)


def slice_of(origin: Origin, file: RemoteFile) -> Slice:
    """A remote file whose ranges are read when asked for."""

    async def read(start: int, count: int) -> bytes:
        stop = min(file.size_bytes, start + count)
        body = bytearray()
        if start < stop:
            async with aclosing(origin.chunks(file, start, stop)) as chunks:
                async for chunk in chunks:
                    body += chunk
        if len(body) < stop - start:
            raise SourceUnreadableError(
                f"{file.path}: {len(body)} bytes came where {stop - start} were asked for; it is "
                "tried again",
                retryable=True,
            )
        return bytes(body[: stop - start])

    return Slice(file.size_bytes, read)
