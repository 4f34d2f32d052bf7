"""The directory that the pods of a node share: its entries, and who leaves when it is full.

::

    entries/KEY/files/...      a model's files
    entries/KEY/entry.json     what they are; its time is when they were last used
    partial/KEY/...            what is being fetched
    locks/KEY.fill             held alone by whoever fetches
    locks/KEY.use              shared by every pod that uses the entry, held alone to evict it
    latest/NAME                which entry a branch or tag meant last
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tierwise_core.errors import TierwiseError
from tierwise_core.quantities import format_bytes
from tierwise_core.weight_cache import Eviction, HeldUnit, Shelf, entry_key, plan_eviction
from tierwise_operator.weights.entry import Entry, Record
from tierwise_operator.weights.errors import CacheFullError
from tierwise_operator.weights.locks import try_exclusive

__all__ = ["WeightCache", "files_below"]

SPARE_BYTES: Final = 64 * 2**20
"""Left free on the disk, for others."""


@dataclass(frozen=True, slots=True)
class WeightCache:
    """A cache below ``root`` that grows to ``max_bytes``; without it, to the size of the disk."""

    root: Path
    max_bytes: int | None = None

    def entry(self, key: str) -> Entry:
        """The place of an entry, which need not exist."""
        folder = self.root / "entries" / key
        return Entry(folder / "files", folder / "entry.json", self.root / "partial" / key)

    def fill_lock(self, key: str) -> Path:
        """Who holds it fetches."""
        return self.root / "locks" / f"{key}.fill"

    def use_lock(self, key: str) -> Path:
        """Who shares it keeps the entry from being evicted."""
        return self.root / "locks" / f"{key}.use"

    def held(self) -> Iterator[HeldUnit]:
        """What other entries could take from here."""
        for key in self.keys():
            record = self.entry(key).record()
            if record is not None:
                yield from record.held()

    def keys(self) -> tuple[str, ...]:
        """The entries and the unfinished ones, by name."""
        found = set()
        for folder in ("entries", "partial"):
            if (self.root / folder).is_dir():
                found |= {path.name for path in (self.root / folder).iterdir() if path.is_dir()}
        return tuple(sorted(found))

    def remember(self, asked: str, key: str) -> None:
        """Note what a source meant, for the day when it does not answer."""
        path = self._latest(asked)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(key)
        fresh.replace(path)

    def remembered(self, asked: str) -> Record | None:
        """The complete entry that a source meant last, if it is still there."""
        try:
            record = self.entry(self._latest(asked).read_text()).record()
        except OSError:
            return None
        return record if record is not None and record.complete else None

    def _latest(self, asked: str) -> Path:
        return self.root / "latest" / entry_key("asked", asked)

    def make_room(self, needed_bytes: int, keep: str) -> tuple[str, ...]:
        """Evict entries until so much more fits; returns who left.

        Raises:
            CacheFullError: it does not fit, even without everything that nobody uses.
        """
        gone = []
        while True:
            shelves = [self._shelf(key) for key in self.keys()]
            limit = self._limit(shelves)
            plan = plan_eviction(shelves, needed_bytes, limit, keep)
            leaving = [key for key in plan.leave if self._evict(key)]
            gone += leaving
            if len(leaving) == len(plan.leave):  # else somebody began to use one: look again
                break
        if plan.short_bytes:
            raise _full(needed_bytes, limit, plan, shelves)
        return tuple(gone)

    def _limit(self, shelves: list[Shelf]) -> int:
        """The bytes the entries may have: what was asked for, and no more than the disk has."""
        used = sum({part: size for shelf in shelves for part, size in shelf.parts.items()}.values())
        room = used + max(0, shutil.disk_usage(self.root).free - SPARE_BYTES)
        return room if self.max_bytes is None else min(room, self.max_bytes)

    def _shelf(self, key: str) -> Shelf:
        entry = self.entry(key)
        found = [*files_below(entry.record_path.parent), *files_below(entry.partial)]
        parts = {f"{one.st_dev}:{one.st_ino}": one.st_size for one in found}
        try:
            last_used = entry.record_path.stat().st_mtime
        except OSError:
            last_used = max((one.st_mtime for one in found), default=0.0)
        return Shelf(key, last_used, self._in_use(key), parts)

    def _in_use(self, key: str) -> bool:
        for lock in (self.use_lock(key), self.fill_lock(key)):
            held = try_exclusive(lock)
            if held is None:
                return True
            os.close(held)
        return False

    def _evict(self, key: str) -> bool:
        """Remove an entry, unless somebody has begun to use it."""
        locks = []
        try:
            for path in (self.use_lock(key), self.fill_lock(key)):
                held = try_exclusive(path)
                if held is None:
                    return False
                locks.append(held)
            entry = self.entry(key)
            entry.record_path.unlink(missing_ok=True)  # first: without it nothing counts
            shutil.rmtree(entry.record_path.parent, ignore_errors=True)
            shutil.rmtree(entry.partial, ignore_errors=True)
        finally:
            for held in locks:
                os.close(held)
        return True


def files_below(folder: Path) -> Iterator[os.stat_result]:
    """The files below a folder, of which some may be vanishing."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            found = path.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                yield found


def _full(needed: int, limit: int, plan: Eviction, shelves: list[Shelf]) -> TierwiseError:
    in_use = sum(sum(shelf.parts.values()) for shelf in shelves if shelf.in_use)
    return CacheFullError(
        f"the model needs {format_bytes(needed)} more in the weight cache, which may have "
        f"{format_bytes(limit)} (weights.cache.maxBytes, or the disk), {format_bytes(in_use)} of "
        f"it in use by running pods; {format_bytes(plan.short_bytes)} are missing: raise "
        "weights.cache.maxBytes or give the cache a larger disk"
    )
