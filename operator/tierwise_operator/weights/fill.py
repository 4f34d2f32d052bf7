"""An entry brought to what its source has: keep what is intact, take what others have, download."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tierwise_core.remote_files import RemoteFile, RemoteTree
from tierwise_core.weight_cache import FetchPlan, HeldUnit, plan_fetch
from tierwise_operator.sources.artifact import safe_path
from tierwise_operator.sources.origin import Origin
from tierwise_operator.weights.cache import WeightCache
from tierwise_operator.weights.download import Download, Patience
from tierwise_operator.weights.entry import Entry, KeptFile, Record, Unit
from tierwise_operator.weights.hashing import sha256_of
from tierwise_operator.weights.locks import Wait
from tierwise_operator.weights.progress import Progress
from tierwise_operator.weights.unpack import keep, unpack

__all__ = ["Filled", "Filling"]

PART_NAME_LENGTH: Final = 24


@dataclass(frozen=True, slots=True)
class Filled:
    """Where the bytes came from: the network, other entries, or they were there."""

    downloaded_bytes: int = 0
    reused_bytes: int = 0
    kept_bytes: int = 0


@dataclass(slots=True)
class Filling:
    """The filling of one entry; whoever runs it holds the entry's lock."""

    origin: Origin
    entry: Entry
    blank: Record
    cache: WeightCache | None
    progress: Progress
    wait: Wait
    verify: bool
    at_once: int
    patience: Patience
    _units: dict[tuple[str, str], Unit] = field(default_factory=dict)

    async def run(self, tree: RemoteTree) -> tuple[Filled, Record]:
        """Fill the entry; returns where the bytes came from, and the record."""
        before = self.entry.record()
        known = await asyncio.to_thread(self._intact, before)
        self._units = {unit.name: unit for unit in known}
        if before is not None and before.complete and len(known) < len(before.units):
            self.progress.remark(f"{_lost(before, known)} is damaged in the cache; fetched again")
        plan = plan_fetch(
            tree, self._units.keys(), self._offered(), self.blank.key, self.blank.place
        )
        self._make_room(plan)
        downloads = await asyncio.to_thread(self._reuse, plan)
        await self._download(downloads)
        record = self._finish(tree, before)
        kept, downloaded = _bytes(plan.keep), _bytes(downloads)
        return Filled(downloaded, tree.download_bytes - kept - downloaded, kept), record

    def _intact(self, before: Record | None) -> tuple[Unit, ...]:
        return self.entry.intact(before.units, verify=self.verify) if before else ()

    def _offered(self) -> Iterable[HeldUnit]:
        return self.cache.held() if self.cache is not None else ()

    def _make_room(self, plan: FetchPlan) -> None:
        """Room for what comes, archives twice: packed, and what is in them."""
        if self.cache is None or not plan.download:
            return
        partial = sum(path.stat().st_size for path in self.entry.partial.glob("*.part"))
        packed = sum(f.size_bytes for f in plan.download if f.packing != "file")
        needed = max(0, plan.download_bytes + packed - partial)
        for key in self.cache.make_room(needed, self.blank.key):
            self.progress.remark(f"entry {key} left the cache to make room")

    def _reuse(self, plan: FetchPlan) -> tuple[RemoteFile, ...]:
        """Take what other entries have; returns what is to be downloaded after all."""
        missing = list(plan.download)
        for file, held in plan.reuse:
            unit = self._taken(file, held)
            if unit is None:
                missing.append(file)
            else:
                self._record(unit)
        return tuple(missing)

    def _taken(self, file: RemoteFile, held: HeldUnit) -> Unit | None:
        """A unit of another entry, linked or copied; ``None`` if it is damaged or gone by now."""
        if self.cache is None:
            return None
        donor = self.cache.entry(held.entry)
        record = donor.record()
        units = [u for u in (record.units if record else ()) if u.identity == file.identity]
        if not units or not donor.intact(units[:1]):
            return None
        files = []
        try:
            for kept in units[0].files:
                path = file.path if file.packing == "file" else kept.path
                files.append(self._copied(donor.files / kept.path, path, kept))
        except OSError:
            return None
        return Unit(file.identity, file.path, tuple(files))

    def _copied(self, source: Path, path: str, kept: KeptFile) -> KeptFile:
        self.entry.partial.mkdir(parents=True, exist_ok=True)
        fresh = self.entry.partial / "linked"
        fresh.unlink(missing_ok=True)
        try:
            os.link(source, fresh)
        except OSError:  # the file system has no hard links
            shutil.copyfile(source, fresh)
            if sha256_of(fresh) != kept.sha256:
                raise
        return keep(fresh, self.entry.files, safe_path(path, self.blank.source), kept.sha256)

    async def _download(self, files: Iterable[RemoteFile]) -> None:
        listed = sorted(files, key=lambda file: -file.size_bytes)
        if not listed:
            return
        self.progress.expect(sum(file.size_bytes for file in listed))
        gate = asyncio.Semaphore(self.at_once)
        try:
            async with asyncio.TaskGroup() as group:
                for file in listed:
                    group.create_task(self._one(gate, file), name=f"fetch {file.path}")
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        self.progress.remark(self.progress.line())

    async def _one(self, gate: asyncio.Semaphore, file: RemoteFile) -> None:
        async with gate:
            part = self.entry.partial / f"{_part_name(file)}.part"
            sha256 = await Download(
                self.origin, file, part, self.progress, self.wait, self.patience
            ).run()
            files = await asyncio.to_thread(self._placed, file, part, sha256)
            self._record(Unit(file.identity, file.path, files))

    def _placed(self, file: RemoteFile, part: Path, sha256: str) -> tuple[KeptFile, ...]:
        if file.packing == "file":
            path = safe_path(file.path, self.blank.source)
            return (keep(part, self.entry.files, path, sha256),)
        scratch = self.entry.partial / f"{part.name}.unpacked"
        files = unpack(part, file.packing, self.entry.files, scratch)
        part.unlink()
        shutil.rmtree(scratch, ignore_errors=True)
        return files

    def _record(self, unit: Unit) -> None:
        """Write down what is finished, for whoever comes after a crash."""
        self._units[unit.name] = unit
        self.entry.write(replace(self.blank, units=tuple(self._units.values())))

    def _finish(self, tree: RemoteTree, before: Record | None) -> Record:
        units = tuple(self._units[file.name] for file in tree.files)
        record = replace(self.blank, units=units, complete=True)
        if record != before:
            self._remove_leftovers(before, record)
            self.entry.write(record)
        shutil.rmtree(self.entry.partial, ignore_errors=True)
        return record

    def _remove_leftovers(self, before: Record | None, record: Record) -> None:
        """Files of an earlier revision that this one does not have."""
        for path in set(before.paths if before else ()) - set(record.paths):
            with contextlib.suppress(OSError):
                (self.entry.files / path).unlink()


def _bytes(files: Iterable[RemoteFile]) -> int:
    return sum(file.size_bytes for file in files)


def _part_name(file: RemoteFile) -> str:
    return hashlib.sha256("\n".join(file.name).encode()).hexdigest()[:PART_NAME_LENGTH]


def _lost(before: Record, known: Iterable[Unit]) -> str:
    """The damaged files, for people."""
    intact = {unit.name for unit in known}
    paths = [f.path for unit in before.units if unit.name not in intact for f in unit.files]
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")  # noqa: PLR2004
