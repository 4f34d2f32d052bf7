"""Stored files: a folder for each, with its content and what is known of it."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from tierwise_router.files.disk import Disk

__all__ = ["FileStore", "StoredFile", "new_id", "page"]

FILE_ID: Final = re.compile(r"file-[0-9a-f]{24}[a-z]?")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a file. ``created_at`` are seconds since 1970; ``tenant`` alone sees it."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    tenant: str = ""

    def as_openai(self) -> dict[str, Any]:
        """Shape it as OpenAI's file object.

        >>> StoredFile("file-0", 3, 7, "a.jsonl", "batch").as_openai()["object"]
        'file'
        """
        shown = asdict(self)
        del shown["tenant"]
        return {**shown, "object": "file", "status": "processed", "status_details": None}


def new_id(prefix: str, now_s: float | None = None) -> str:
    """Make a name nobody can guess; names sort by their time.

    >>> new_id("file-", 1.0) < new_id("file-", 2.0)
    True
    >>> len(new_id("batch_"))
    30
    """
    milliseconds = int((time.time() if now_s is None else now_s) * 1000)
    return f"{prefix}{milliseconds:012x}{os.urandom(6).hex()}"


def page(names: Iterator[str] | list[str], after: str, *, oldest_first: bool) -> list[str]:
    """Order names by their time, newest first unless asked otherwise, and begin behind one.

    >>> page(["b", "c", "a"], "c", oldest_first=False)
    ['b', 'a']
    """
    ordered = sorted(names, reverse=not oldest_first)
    if not after:
        return ordered
    return [name for name in ordered if (name > after if oldest_first else name < after)]


class FileStore:
    """The files below a directory. Every method blocks: call it in a thread.

    Args:
        root: the directory; it is made when it is first needed.
        disk: how it is written to.
    """

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self._files = root / "files"
        self._disk = disk

    def content(self, file_id: str) -> Path:
        """Where a file's content is."""
        return self._files / file_id / "content"

    def begin(self) -> Path:
        """Name a file that an upload can be written to, on the store's own disk."""
        self._disk.make_folder(self.root / "incoming")
        return self.root / "incoming" / new_id("part-")

    def add(self, part: Path, stored: StoredFile) -> StoredFile:
        """Take over a file that was written whole; doing it twice is doing it once."""
        folder = self._files / stored.id
        self._disk.make_folder(folder)
        if part.exists():
            self._disk.move(part, folder / "content")
        self._disk.write_whole(folder / "file.json", orjson.dumps(asdict(stored)))
        return stored

    def get(self, file_id: str, tenant: str) -> StoredFile | None:
        """Find a file; None when there is none, or another tenant's."""
        if not FILE_ID.fullmatch(file_id):
            return None
        try:
            stored = StoredFile(**orjson.loads((self._files / file_id / "file.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return stored if stored.tenant == tenant else None

    def listed(
        self, tenant: str, *, purpose: str = "", after: str = "", oldest_first: bool = False
    ) -> Iterator[StoredFile]:
        """Yield a tenant's files."""
        for name in page(self._names(), after, oldest_first=oldest_first):
            stored = self.get(name, tenant)
            if stored is not None and purpose in {"", stored.purpose}:
                yield stored

    def remove(self, file_id: str) -> None:
        """Remove a file; a batch that reads it has a copy of its own."""
        self._disk.remove(self._files / file_id)

    def used_bytes(self) -> int:
        """Add up what all files take, uploads in progress included."""
        return sum(_size(path) for path in self.root.rglob("*"))

    def sweep(self, older_than: float) -> int:
        """Remove files, and uploads that were broken off, from before a moment; says how many."""
        old = [path for path in self._children("files") if _changed(path) < older_than]
        old += [path for path in self._children("incoming") if _changed(path) < older_than]
        for path in old:
            self._disk.remove(path)
        return len(old)

    def _children(self, name: str) -> list[Path]:
        with contextlib.suppress(OSError):
            return list((self.root / name).iterdir())
        return []

    def _names(self) -> list[str]:
        return [path.name for path in self._children("files")]


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        found = path.lstat()
        # A second name of the same content takes nothing.
        return found.st_size // max(found.st_nlink, 1) if path.is_file() else 0
    return 0


def _changed(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return float("inf")
