"""How far a pod's journal has been shipped to the ledger, in a file beside it.

The file is written whole or not at all, after each batch that the ledger has taken. Whoever makes
room in the journal reads it as well: what has been shipped goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final, NamedTuple, Self

import orjson

from tierwise_router.journal_files import oldest_first

__all__ = ["Piece", "Shipped", "pieces", "shipped_path", "waiting_bytes"]

FILE: Final = "shipped.json"
LONGEST_LINE: Final = 32 * 1024 * 1024


@dataclass(slots=True)
class Shipped:
    """What the ledger has taken so far.

    ``ledger`` is its name: another one has begun anew, and gets everything that is still here.
    ``bytes_read`` tells how far each file was shipped, ``at`` when that last worked, in seconds
    since the epoch. ``rows`` were taken, ``rejected`` refused, ``failures`` are attempts that came
    to nothing, and ``skipped_bytes`` a line too long to be sent.
    """

    ledger: str = ""
    bytes_read: dict[str, int] = field(default_factory=dict)
    at: float = 0.0
    rows: int = 0
    rejected: int = 0
    failures: int = 0
    skipped_bytes: int = 0

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the file; nothing has been shipped where there is none, or a broken one."""
        try:
            found = orjson.loads(shipped_path(directory).read_bytes())
            known = {one.name for one in fields(cls)}
            made = cls(**{name: value for name, value in found.items() if name in known})
            made.bytes_read = {str(name): int(size) for name, size in made.bytes_read.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return cls()
        return made

    def write(self, directory: Path) -> None:
        """Write the file; raises OSError when the disk does not take it."""
        path = shipped_path(directory)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(asdict(self)))
        fresh.replace(path)

    def forget_all_but(self, names: set[str]) -> None:
        """Forget files that are gone."""
        self.bytes_read = {name: at for name, at in self.bytes_read.items() if name in names}


class Piece(NamedTuple):
    """Whole lines of a file, and where they end in it; without any for what must be skipped."""

    file: str
    end: int
    data: bytes


def shipped_path(directory: Path) -> Path:
    """Name the file.

    >>> str(shipped_path(Path("/tmp/journal")))
    '/tmp/journal/shipped.json'
    """
    return directory / FILE


def pieces(directory: Path, read: Mapping[str, int], size: int) -> Iterator[Piece]:
    """Yield what has not been shipped, the oldest file first, in pieces of about ``size`` bytes."""
    for path, length in oldest_first(directory):
        begin = read.get(path.name, 0)
        while begin < length:
            piece = _piece(path, begin, size)
            if piece is None:
                break
            yield piece
            begin = piece.end


def _piece(path: Path, begin: int, size: int) -> Piece | None:
    """Read whole lines; a single longer one as a whole, and past every bound not at all."""
    try:
        with path.open("rb") as file:
            file.seek(begin)
            data = file.read(size)
            while not (whole := data.rfind(b"\n") + 1):
                if len(data) > LONGEST_LINE:
                    return Piece(path.name, begin + len(data), b"")
                if not (more := file.read(size)):
                    return None
                data += more
    except OSError:
        return None
    return Piece(path.name, begin + whole, data[:whole])


def waiting_bytes(directory: Path, shipped: Shipped) -> int:
    """Tell how much waits to be shipped."""
    return sum(
        max(0, size - shipped.bytes_read.get(path.name, 0))
        for path, size in oldest_first(directory)
    )
