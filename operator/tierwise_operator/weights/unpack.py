"""Archives taken apart: regular files only, and none outside of the directory."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final

from tierwise_core.remote_files import Packing
from tierwise_operator.weights.entry import KeptFile
from tierwise_operator.weights.errors import CorruptError
from tierwise_operator.weights.hashing import BLOCK_BYTES

__all__ = ["keep", "unpack"]

WHITEOUT: Final = ".wh."


def keep(source: Path, files: Path, path: str, sha256: str) -> KeptFile:
    """Move a finished file to its place."""
    target = files / path
    target.parent.mkdir(parents=True, exist_ok=True)
    source.chmod(0o644)
    source.replace(target)
    found = target.stat()
    return KeptFile(path, found.st_size, found.st_mtime_ns, sha256)


def unpack(archive: Path, packing: Packing, files: Path, scratch: Path) -> tuple[KeptFile, ...]:
    """Unpack an archive that has been checked; returns its files.

    Raises:
        CorruptError: it is no archive although its hash is right.
    """
    mode = "r|gz" if packing == "tar+gzip" else "r|"
    scratch.mkdir(parents=True, exist_ok=True)
    kept: dict[str, KeptFile] = {}
    try:
        with tarfile.open(archive, mode) as opened:  # type: ignore[call-overload]
            for path, content in _regular(opened):
                kept[path] = _place(content, files, path, scratch / "member")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CorruptError(
            f"{archive.name}: the archive cannot be unpacked ({error}); push it again"
        ) from error
    return tuple(kept.values())


def _regular(opened: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in opened:
        path = PurePosixPath(member.name.lstrip("/"))
        content = opened.extractfile(member) if member.isreg() else None
        wanted = ".." not in path.parts and path.name and not path.name.startswith(WHITEOUT)
        if content is not None and wanted:
            yield str(path), content


def _place(content: IO[bytes], files: Path, path: str, scratch: Path) -> KeptFile:
    hashes = hashlib.sha256()
    with scratch.open("wb") as out:
        while block := content.read(BLOCK_BYTES):
            out.write(block)
            hashes.update(block)
    return keep(scratch, files, path, hashes.hexdigest())
