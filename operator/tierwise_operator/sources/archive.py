"""The files in a tar archive, found by walking its headers: nothing between them is read."""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from tierwise_core.errors import SourceUnreadableError
from tierwise_operator.sources.origin import Slice

__all__ = ["MAX_GZIP_BYTES", "gunzipped", "members"]

BLOCK: Final = tarfile.BLOCKSIZE
WINDOW_BYTES: Final = 64 * 1024
MAX_MEMBERS: Final = 100_000
MAX_REQUESTS: Final = 4_000
MAX_NAME_BYTES: Final = 64 * 1024

MAX_GZIP_BYTES: Final = 8 * 2**20
MAX_GUNZIPPED_BYTES: Final = 32 * 2**20
WHITEOUT: Final = ".wh."


@dataclass(slots=True)
class _Walk:
    """A reader that asks for a window and serves small reads from it."""

    archive: Slice
    label: str
    requests: int = 0
    begin: int = 0
    window: bytes = b""

    async def read(self, start: int, count: int) -> bytes:
        end = min(start + count, self.archive.size_bytes)
        if not self.begin <= start <= end <= self.begin + len(self.window):
            self.requests += 1
            if self.requests > MAX_REQUESTS:
                raise SourceUnreadableError(
                    f"{self.label} is an archive of too many files to look through; push the "
                    "model's files alone"
                )
            self.begin = start
            self.window = await self.archive.read(start, max(count, WINDOW_BYTES))
        return self.window[start - self.begin : end - self.begin]


@dataclass(slots=True)
class _Names:
    """What a header of its own says about the next one: a long name, or a size over 8 GiB."""

    path: str | None = None
    size_bytes: int | None = None
    whole: dict[str, str] = field(default_factory=dict)


async def members(archive: Slice, label: str) -> dict[str, Slice]:
    """The regular files of an uncompressed tar by path; a later one of a name replaces an earlier.

    Raises:
        SourceUnreadableError: it is no tar, or cut off.
    """
    walk, found, names, position = _Walk(archive, label), dict[str, Slice](), _Names(), 0
    while position + BLOCK <= archive.size_bytes:
        block = await walk.read(position, BLOCK)
        if not block.strip(b"\0"):
            break
        info = _header(block, label)
        size = info.size if names.size_bytes is None else names.size_bytes
        start, position = position + BLOCK, position + BLOCK + -(-size // BLOCK) * BLOCK
        if start + size > archive.size_bytes:
            raise SourceUnreadableError(f"{label} is cut off inside {info.name}; push it again")
        if info.type in {tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE}:
            names = _extended(info.type, await walk.read(start, _short(size, label)), label)
            continue
        path = PurePosixPath((names.path or info.name).lstrip("/"))
        names = _Names()
        if info.type in tarfile.REGULAR_TYPES and _is_kept(path):
            found[str(path)] = archive.part(start, size)
        if len(found) > MAX_MEMBERS:
            raise SourceUnreadableError(f"{label} holds over {MAX_MEMBERS} files")
    return found


def _is_kept(path: PurePosixPath) -> bool:
    return ".." not in path.parts and not path.name.startswith(WHITEOUT)


def _header(block: bytes, label: str) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise SourceUnreadableError(
            f"{label} is not a tar archive ({error}); push it again"
        ) from error


def _short(size: int, label: str) -> int:
    if size > MAX_NAME_BYTES:
        raise SourceUnreadableError(f"{label} has a header of {size} bytes; push it again")
    return size


def _extended(kind: bytes, body: bytes, label: str) -> _Names:
    """A GNU long name, or the path and size among the records of a pax header."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return _Names(body.rstrip(b"\0").decode("utf-8", "surrogateescape"))
    records, rest = dict[str, str](), body
    while rest:
        length, _, _ = rest.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(rest):
            raise SourceUnreadableError(f"{label} has a damaged pax header; push it again")
        record = rest[len(length) + 1 : int(length)].rstrip(b"\n").decode("utf-8", "replace")
        name, _, value = record.partition("=")
        records[name] = value
        rest = rest[int(length) :]
    size = records.get("size", "")
    return _Names(records.get("path"), int(size) if size.isdigit() else None)


async def gunzipped(archive: Slice, label: str) -> Slice:
    """A small compressed archive, unpacked in memory.

    Raises:
        SourceUnreadableError: it is damaged or grows beyond all measure.
    """
    content = _unpacked(await archive.read(0, archive.size_bytes), label)

    async def read(start: int, count: int) -> bytes:
        return content[start : start + count]

    return Slice(len(content), read)


def _unpacked(body: bytes, label: str) -> bytes:
    """All members of a gzip file; some tools write one for each file of the archive."""
    content = bytearray()
    while body:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content += unpacker.decompress(body, MAX_GUNZIPPED_BYTES - len(content) + 1)
        except zlib.error as error:
            raise SourceUnreadableError(
                f"{label} is not sound gzip ({error}); push it again"
            ) from error
        if len(content) > MAX_GUNZIPPED_BYTES:
            raise SourceUnreadableError(f"{label} has over {MAX_GUNZIPPED_BYTES} bytes unpacked")
        if not unpacker.eof:
            raise SourceUnreadableError(f"{label} is cut off; push it again")
        body = unpacker.unused_data
    return bytes(content)
