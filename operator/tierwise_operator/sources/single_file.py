"""One small file of a source that is mostly asked for models: a held-out set of questions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tierwise_core.errors import SourceUnreadableError
from tierwise_core.examining.set_source import SetSource
from tierwise_operator.sources.directory import told
from tierwise_operator.sources.object_store import BucketPrefix
from tierwise_operator.sources.origin import slice_of
from tierwise_operator.sources.origins import Access

__all__ = ["LARGEST_SET", "ReadClaimFile", "read_file"]

LARGEST_SET: Final = 8 * 2**20
"""Bytes of a held-out set: thousands of long questions."""

DEADLINE_SECONDS: Final = 60.0

ReadClaimFile = Callable[[SetSource], Awaitable[bytes]]
"""Reads a file in a PersistentVolumeClaim."""


async def read_file(where: SetSource, access: Access, claims: ReadClaimFile) -> bytes:
    """Return the whole of a file of at most :data:`LARGEST_SET` bytes.

    Raises:
        SourceNotFoundError: it does not exist.
        SourceUnreadableError: it cannot be had, or is too large.
        UnauthorizedError: credentials are missing or do not suffice.
    """
    access.credentials.require(where.place.scheme)
    if where.place.scheme == "pvc":
        return await claims(where)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await _read(where, access)
    except TimeoutError as error:
        raise SourceUnreadableError(
            f"reading {where.file} took over {DEADLINE_SECONDS:.0f} s; it is tried again",
            retryable=True,
        ) from error


async def _read(where: SetSource, access: Access) -> bytes:
    place = where.place
    if place.scheme == "hf":
        return (await access.repository(place).fetch(where.file, LARGEST_SET)).body
    if place.scheme == "s3":
        store = BucketPrefix(place.location, access.credentials, access.s3_endpoint)
        found = await store.file(where.file)
        _check(f"{store.label}/{where.file}", found.size_bytes)
        return await slice_of(store, found).read(0, found.size_bytes)
    return await asyncio.to_thread(on_this_machine, Path(place.location) / where.file)


def on_this_machine(path: Path) -> bytes:
    """Read a file of this machine, of at most :data:`LARGEST_SET` bytes.

    Raises:
        SourceNotFoundError: it does not exist.
        SourceUnreadableError: it cannot be read, or is too large.
    """
    with told(path), path.open("rb") as file:
        content = file.read(LARGEST_SET + 1)
    _check(str(path), len(content))
    return content


def _check(label: str, size_bytes: int) -> None:
    if size_bytes > LARGEST_SET:
        raise SourceUnreadableError(
            f"{label} has over {LARGEST_SET} bytes; keep the questions that tell most"
        )
