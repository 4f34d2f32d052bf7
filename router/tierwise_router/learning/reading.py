"""Reading a journal that grows by thousands of rows a second, for the few that teach something.

Rows that somebody or a verifier judged are read in full. Of the others a sample is enough: the gate
alone says next to nothing. What feedback is about is then looked up in the journal's files.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from tierwise_core.decision_record import FEEDBACK_KIND
from tierwise_router.journal_files import Marks, made_by, oldest_first, tail_pieces
from tierwise_router.learning.outcomes import OutcomeBook

__all__ = ["JournalReader"]

SAMPLED: Final = 50
LOOKED_UP: Final = 2_000
MOST_WAITING: Final = 10_000
TRIES: Final = 3
FEEDBACK_MARK: Final = b'"kind":"%s"' % FEEDBACK_KIND.encode()
VERIFIED_MARKS: Final = (b'"verified":true', b'"verified":false')
ID: Final = re.compile(rb'"id":"(d-[a-z0-9]+-[a-z0-9]+-[0-9a-f]+)"')


class JournalReader:
    """Reads what came since the last time into a book of outcomes.

    Args:
        directory: the journal's.
        marks: how far its files were read.
    """

    def __init__(self, directory: Path, marks: Marks) -> None:
        self.marks = marks
        self._directory = directory
        # Feedback whose decision is not known yet, and how often it was looked for.
        self._waiting: OrderedDict[str, tuple[Mapping[str, Any], int]] = OrderedDict()

    def read(self, book: OutcomeBook) -> tuple[int, int]:
        """Read on; tells how many judged outcomes there were, and how many others."""
        judged = others = 0
        for piece in tail_pieces(self._directory, self.marks):
            lines = piece.split(b"\n")
            stride = max(1, len(lines) // SAMPLED)
            for number, line in enumerate(lines):
                if FEEDBACK_MARK in line:
                    judged += self._take_feedback(book, _row(line))
                elif any(mark in line for mark in VERIFIED_MARKS):
                    judged += book.take(_row(line))
                elif number % stride == 0:
                    others += book.take(_row(line))
        return judged + self._look_up(book), others

    def _take_feedback(self, book: OutcomeBook, row: Mapping[str, Any]) -> bool:
        if book.take(row):
            return True
        decision = row.get("decision")
        if isinstance(decision, str) and isinstance(row.get("accepted"), bool):
            self._waiting[decision] = (row, 0)
            self._waiting.move_to_end(decision)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
        return False

    def _look_up(self, book: OutcomeBook) -> int:
        """Find what feedback is about; what is not there after three looks is given up."""
        wanted = list(self._waiting)[:LOOKED_UP]
        if not wanted:
            return 0
        found = _decisions(self._directory, wanted)
        took = 0
        for decision in wanted:
            row, tries = self._waiting.pop(decision)
            if (record := found.get(decision)) is not None:
                book.take(record)
                took += book.take(row)
            elif tries + 1 < TRIES:
                self._waiting[decision] = (row, tries + 1)
        return took


def _decisions(directory: Path, wanted: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Find decisions in the files, newest first, each of which is read once at the most."""
    left = {name.encode() for name in wanted if made_by(name) is not None}
    processes = {b"-%s-" % name.split(b"-")[2] for name in left}
    found: dict[str, Mapping[str, Any]] = {}
    for path, _ in reversed(oldest_first(directory)):
        if not left:
            break
        if not any(process.decode() in path.name for process in processes):
            continue
        for name, row in _rows_of(path, left):
            left.discard(name)
            found[name.decode()] = row
    return found


def _rows_of(path: Path, wanted: set[bytes]) -> list[tuple[bytes, Mapping[str, Any]]]:
    try:
        data = path.read_bytes()
    except OSError:
        return []
    rows = []
    for match in ID.finditer(data):
        if match.group(1) in wanted:
            begin, end = data.rfind(b"\n", 0, match.start()) + 1, data.find(b"\n", match.end())
            if end > 0 and (row := _row(data[begin:end])):
                rows.append((match.group(1), row))
    return rows


def _row(line: bytes) -> Mapping[str, Any]:
    """Read a line; what is no object is one that says nothing."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return row if isinstance(row, dict) else {}
