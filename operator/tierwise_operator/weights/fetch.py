"""From a source to a directory that an engine can load.

With a cache the model's entry is filled and the target becomes a link to it; without one the files
go to the target itself. Both are an :class:`~tierwise_operator.weights.entry.Entry`, filled alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tierwise_core.errors import SourceError, SourceUnreadableError
from tierwise_core.model_source import ModelSource, parse_source
from tierwise_core.quantities import format_bytes
from tierwise_core.remote_files import RemoteTree, useful_files
from tierwise_core.weight_cache import entry_key
from tierwise_operator.sources.origin import BusyError, Origin
from tierwise_operator.weights.cache import WeightCache, files_below
from tierwise_operator.weights.download import Patience
from tierwise_operator.weights.entry import Entry, Record
from tierwise_operator.weights.errors import DirectoryError, told_by_system
from tierwise_operator.weights.fill import Filled, Filling
from tierwise_operator.weights.locks import Wait, exclusive, lease
from tierwise_operator.weights.progress import Progress

__all__ = ["Fetched", "Wish", "fetch"]

OWN_FOLDER: Final = ".tierwise"
FIRST_PAUSE_SECONDS: Final = 1.0
LOCK_LINE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be fetched, and where to.

    Attributes:
        source: ``hf://``, ``s3://`` or ``oci://``, as in ``spec.model.source``.
        revision: as in ``spec.model.revision``.
        target: the directory, or with a cache the link, that the engine loads.
        cache: shared with others; ``None`` to put the files into the target.
        verify: read every byte of what is there already.
        reader: who asks. While a source is away, what it had is given only to who read it before.
        at_once: files that are fetched at the same time.
    """

    source: str
    revision: str | None
    target: Path
    cache: WeightCache | None = None
    verify: bool = False
    at_once: int = 4
    reader: str = ""
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of it.

    Attributes:
        path: the directory to load.
        revision: the commit, digest or listing that the source's revision meant.
        filled: how much was downloaded, taken from other entries, and there already.
        stale: the source did not answer, and this is what it had when it last did.
        lease: the descriptor that keeps the entry from being evicted, with a cache.
    """

    path: Path
    revision: str
    filled: Filled
    stale: bool = False
    lease: int | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    wish: Wish
    where: ModelSource
    origin: Origin
    progress: Progress
    wait: Wait


async def fetch(
    wish: Wish,
    origin: Callable[[ModelSource], Origin],
    progress: Progress,
    wait: Wait = asyncio.sleep,
) -> Fetched:
    """Bring the model of a source here, or find that it is.

    Args:
        wish: what, and where to.
        origin: reaches the source.
        progress: is told how far it is.
        wait: sleeps, between tries and for locks.

    Raises:
        SourceError: the source has no such model, or does not let us have it.
        FetchError: it does not fit, is damaged at its source, or cannot be written.
    """
    where = parse_source(wish.source, wish.revision)
    job = _Job(wish, where, origin(where), progress, wait)
    try:
        if wish.cache is None:
            return await _into_directory(job)
        return await _into_cache(job, wish.cache)
    except OSError as error:
        raise told_by_system(error, wish.target) from error


async def _into_cache(job: _Job, cache: WeightCache) -> Fetched:
    place = job.origin.place
    asked = f"{place}\n{job.where.revision}\n{job.wish.reader}"
    tree = await _listed(job, cache.remembered(asked))
    if isinstance(tree, Record):
        return await _as_before(job, cache, tree)
    key = entry_key(place, tree.revision)
    held = lease(cache.use_lock(key))
    async with exclusive(cache.fill_lock(key), job.wait, lambda: _others(job, cache.entry(key))):
        entry = cache.entry(key)
        blank = Record(key, job.wish.source, place, tree.revision)
        filling = _filling(job, entry, blank, cache)
        filled, record = await filling.run(tree)
        entry.touch()
    cache.remember(asked, key)
    _link(job.wish.target, entry.model(record))
    return Fetched(job.wish.target, tree.revision, filled, lease=held)


async def _as_before(job: _Job, cache: WeightCache, record: Record) -> Fetched:
    """Use what the source had when it last answered, if nothing of it is damaged."""
    held = lease(cache.use_lock(record.key))
    entry = cache.entry(record.key)
    intact = entry.intact(record.units, verify=job.wish.verify)
    if len(intact) < len(record.units):
        raise SourceUnreadableError(
            f"{job.wish.source} does not answer, and its files in the cache are damaged; they are "
            "fetched again when it does",
            retryable=True,
        )
    entry.touch()
    _link(job.wish.target, entry.model(record))
    here = sum(file.size_bytes for unit in record.units for file in unit.files)
    return Fetched(job.wish.target, record.revision, Filled(0, 0, here), stale=True, lease=held)


async def _into_directory(job: _Job) -> Fetched:
    target = job.wish.target
    entry = Entry(target, target / OWN_FOLDER / "entry.json", target / OWN_FOLDER / "partial")
    before = entry.record()
    if before is None and target.is_dir() and _foreign(target):
        raise DirectoryError(
            f"--to {target} has files that were not fetched by this command; give an empty or a "
            "new directory"
        )
    tree = await _listed(job, None)
    assert isinstance(tree, RemoteTree)  # noqa: S101 - without a memory there is nothing else
    key = entry_key(job.origin.place, tree.revision)
    blank = Record(key, job.wish.source, job.origin.place, tree.revision)
    async with exclusive(target / OWN_FOLDER / "lock", job.wait, lambda: _others(job, entry)):
        filled, record = await _filling(job, entry, blank).run(tree)
    return Fetched(entry.model(record), tree.revision, filled)


def _foreign(target: Path) -> bool:
    return any(path.name != OWN_FOLDER for path in target.iterdir())


def _filling(job: _Job, entry: Entry, blank: Record, cache: WeightCache | None = None) -> Filling:
    wish = job.wish
    return Filling(
        origin=job.origin,
        entry=entry,
        blank=blank,
        cache=cache,
        progress=job.progress,
        wait=job.wait,
        verify=wish.verify,
        at_once=wish.at_once,
        patience=wish.patience,
    )


async def _listed(job: _Job, before: Record | None) -> RemoteTree | Record:
    """What the source has now, or, if it does not answer, what it had before."""
    failures = 0
    while True:
        try:
            tree = await job.origin.tree()
        except SourceError as error:
            failures += 1
            if not isinstance(error, BusyError):
                raise
            if failures >= job.wish.patience.tries:
                if before is None:
                    raise
                job.progress.remark(f"{error}; what is in the cache is used ({before.revision})")
                return before
            await _pause(job, error, failures)
        else:
            return RemoteTree(tree.revision, useful_files(tree.files))


async def _pause(job: _Job, error: BusyError, failures: int) -> None:
    growing = FIRST_PAUSE_SECONDS * 2 ** (failures - 1)
    asked = growing if error.after_seconds is None else error.after_seconds
    seconds = min(job.wish.patience.longest_pause_seconds, asked)
    job.progress.remark(f"{error} (try {failures + 1} in {seconds:.0f} s)")
    await job.wait(seconds)


def _others(job: _Job, entry: Entry) -> None:
    """Say how far another pod is that fetches the same."""
    folders = (entry.files, entry.partial)
    here = sum(found.st_size for folder in folders for found in files_below(folder))
    job.progress.remark(
        f"another pod fetches {job.wish.source}, {format_bytes(here)} are here; waiting for it",
        every_seconds=LOCK_LINE_SECONDS,
    )


def _link(target: Path, model: Path) -> None:
    """Point the target at the model, at once or not at all."""
    if target.exists() and not target.is_symlink():
        raise DirectoryError(
            f"--to {target} exists and is no link; with --cache give a path that does not exist yet"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(model.absolute())
    fresh.replace(target)
