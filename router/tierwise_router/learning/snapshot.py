"""What was learned, in a file: a router that starts again goes on where it was.

The journal is rotated, the snapshot is not: it has the outcomes that are kept, and how far each of
the journal's files was read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from tierwise_router.journal_files import Marks
from tierwise_router.learning.outcomes import Outcome, OutcomeBook

__all__ = ["SNAPSHOT_NAME", "load_snapshot", "save_snapshot"]

log = structlog.get_logger(__name__)

SNAPSHOT_NAME: Final = "learned.json"
FORMAT: Final = 1


def save_snapshot(directory: Path, book: OutcomeBook, marks: Marks) -> bool:
    """Write the snapshot, whole or not at all; tells whether that was possible."""
    rows = [{"step": step, **outcome.to_row()} for step, outcome in book.steps()]
    said = {"format": FORMAT, "marks": dict(marks.bytes_read), "outcomes": rows}
    fresh = directory / f"{SNAPSHOT_NAME}.new"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(orjson.dumps(said))
        fresh.replace(directory / SNAPSHOT_NAME)
    except OSError as error:
        log.warning("what was learned cannot be saved; it tries again", error=str(error))
        return False
    return True


def load_snapshot(directory: Path, book: OutcomeBook) -> Marks:
    """Fill the book and tell where to read on; a snapshot that is not usable counts for none."""
    try:
        said = orjson.loads((directory / SNAPSHOT_NAME).read_bytes())
        found = [(_step(row), Outcome.of(row)) for row in _rows(said)]
        marks = Marks({str(name): int(at) for name, at in said["marks"].items()})
    except FileNotFoundError:
        return Marks()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("the snapshot cannot be used; the journal is read anew", error=str(error))
        return Marks()
    for step, outcome in found:
        book.add(outcome, step)
    return marks


def _rows(said: dict[str, Any]) -> list[dict[str, Any]]:
    if said["format"] != FORMAT:
        raise ValueError(f"its format is {said['format']!r}, not {FORMAT}")
    rows: list[dict[str, Any]] = said["outcomes"]
    return rows


def _step(row: dict[str, Any]) -> int:
    return int(row["step"])
