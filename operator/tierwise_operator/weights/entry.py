"""One model at one revision on the disk: its files, and a record of what each of them is.

The record is written after every finished file, so that whoever comes after a crash knows what is
there, and says at last that the entry is complete. A file is checked cheaply by its size and time;
if these are not as recorded, or when asked to, by its hash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tierwise_core.remote_files import model_root
from tierwise_core.weight_cache import HeldUnit
from tierwise_operator.weights.hashing import sha256_of

__all__ = ["Entry", "KeptFile", "Record", "Unit"]

RECORD_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as it was when its hash was taken."""

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One finished download: the file it is, or the files that were in it."""

    identity: str
    path: str
    files: tuple[KeptFile, ...]

    @property
    def name(self) -> tuple[str, str]:
        """As :attr:`tierwise_core.weight_cache.RemoteFile.name`."""
        return self.identity, self.path


@dataclass(frozen=True, slots=True)
class Record:
    """What an entry holds. ``complete`` says that nothing of the model is missing."""

    key: str
    source: str
    place: str
    revision: str
    units: tuple[Unit, ...] = ()
    complete: bool = False
    version: int = RECORD_VERSION

    @property
    def paths(self) -> tuple[str, ...]:
        """All files."""
        return tuple(file.path for unit in self.units for file in unit.files)

    def held(self) -> Iterator[HeldUnit]:
        """The downloads that other entries may take from here."""
        for unit in self.units:
            yield HeldUnit(self.key, self.place, unit.identity)


@dataclass(slots=True)
class Entry:
    """Where an entry lies; what is being fetched lies in ``partial``."""

    files: Path
    record_path: Path
    partial: Path

    def record(self) -> Record | None:
        """What is recorded; ``None`` if nothing is, or nothing that can be read."""
        try:
            return _parse(json.loads(self.record_path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, record: Record) -> None:
        """Replace the record, at once or not at all."""
        fresh = self.record_path.with_suffix(".new")
        self.record_path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(asdict(record), indent=1))
        fresh.replace(self.record_path)

    def touch(self) -> None:
        """Note that the entry is used now."""
        os.utime(self.record_path)

    def model(self, record: Record) -> Path:
        """The directory that an engine loads."""
        return self.files / model_root(set(record.paths))

    def intact(self, units: Iterable[Unit], *, verify: bool = False) -> tuple[Unit, ...]:
        """The units whose files are as recorded; ``verify`` reads every byte of them."""
        return tuple(
            unit for unit in units if all(self._is_intact(file, verify) for file in unit.files)
        )

    def _is_intact(self, kept: KeptFile, verify: bool) -> bool:  # noqa: FBT001
        path = self.files / kept.path
        try:
            found = path.stat()
            if found.st_size != kept.size_bytes:
                return False
            if found.st_mtime_ns == kept.mtime_ns and not verify:
                return True
            return sha256_of(path) == kept.sha256
        except OSError:
            return False


def _parse(document: Any) -> Record | None:
    if document["version"] != RECORD_VERSION:
        return None
    units = tuple(
        Unit(unit["identity"], unit["path"], tuple(KeptFile(**file) for file in unit["files"]))
        for unit in document["units"]
    )
    return Record(
        document["key"],
        document["source"],
        document["place"],
        document["revision"],
        units,
        document["complete"],
    )
