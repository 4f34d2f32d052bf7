"""The journal's files: their names, and how they are read while others write them.

A reader takes whole lines only. What is no JSON, because a disk was full or a process was killed in
the middle of a line, is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from tierwise_core.decision_record import DECISION_KIND, FEEDBACK_KIND
from tierwise_core.late_verdict import VERDICT_KIND

__all__ = [
    "Marks",
    "feedback_of",
    "find_decision",
    "made_by",
    "oldest_first",
    "segment_name",
    "tail",
    "tail_pieces",
    "verdict_of",
]

NAME: Final = re.compile(r"journal-([a-z0-9]+)-(\d+)\.jsonl")
ID: Final = re.compile(r"d-([a-z0-9]+)-([a-z0-9]+)-[0-9a-f]+")
READ_AT_ONCE: Final = 8 * 1024 * 1024


def segment_name(process: str, number: int) -> str:
    """Name a file of a process.

    >>> segment_name("3f9a2c", 7)
    'journal-3f9a2c-000007.jsonl'
    """
    return f"journal-{process}-{number:06d}.jsonl"


def made_by(decision_id: str) -> tuple[str, str] | None:
    """Tell the pod and the process that made a decision; None for what is no decision's name.

    >>> made_by("d-x7k2p-3f9a2c-00001f"), made_by("chatcmpl-1")
    (('x7k2p', '3f9a2c'), None)
    """
    found = ID.fullmatch(decision_id)
    return (found.group(1), found.group(2)) if found else None


def oldest_first(directory: Path) -> list[tuple[Path, int]]:
    """List the files with their sizes, the one that was written to longest ago first."""
    found = []
    for path in _segments(directory):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((stat.st_mtime_ns, path, stat.st_size))
    return [(path, size) for _, path, size in sorted(found)]


def find_decision(directory: Path, decision_id: str) -> dict[str, Any] | None:
    """Find the record of a decision; None where none of these files has it."""
    for path in _written_by_its_maker(directory, decision_id):
        for row in _rows_with(path, b'"id":"%s"' % decision_id.encode()):
            if row.get("kind") == DECISION_KIND and row.get("id") == decision_id:
                return row
    return None


def feedback_of(directory: Path, decision_id: str) -> dict[str, Any] | None:
    """Find the last feedback on a decision; None where nobody gave any."""
    last: dict[str, Any] | None = None
    for path in _segments(directory):
        for row in _rows_with(path, b'"decision":"%s"' % decision_id.encode()):
            if row.get("kind") == FEEDBACK_KIND and (last is None or row["at"] >= last["at"]):
                last = row
    return last


def verdict_of(directory: Path, decision_id: str) -> dict[str, Any] | None:
    """Find what verifiers said of a decision's answer after it had gone out; None for nothing."""
    for path in _written_by_its_maker(directory, decision_id):
        for row in _rows_with(path, b'"decision":"%s"' % decision_id.encode()):
            if row.get("kind") == VERDICT_KIND:
                return row
    return None


def _written_by_its_maker(directory: Path, decision_id: str) -> list[Path]:
    """List the files of the process that made a decision, the newest first."""
    made = made_by(decision_id)
    if made is None:
        return []
    mine = (path for path in _segments(directory) if f"-{made[1]}-" in path.name)
    return sorted(mine, reverse=True)


@dataclass(slots=True)
class Marks:
    """How far each file was read."""

    bytes_read: dict[str, int] = field(default_factory=dict)


def tail(directory: Path, marks: Marks) -> Iterator[dict[str, Any]]:
    """Yield the rows that came since ``marks``, and move them; files that are gone are forgotten.

    Rows of one process come in the order they were written.
    """
    for piece in tail_pieces(directory, marks):
        yield from _rows(piece)


def tail_pieces(directory: Path, marks: Marks) -> Iterator[bytes]:
    """Yield the same as pieces of whole lines, for whoever wants few of them."""
    present = sorted(_segments(directory))
    kept = {path.name for path in present}
    for name in [name for name in marks.bytes_read if name not in kept]:
        del marks.bytes_read[name]
    for path in present:
        yield from _pieces_since(path, marks)


def _pieces_since(path: Path, marks: Marks) -> Iterator[bytes]:
    begin = marks.bytes_read.get(path.name, 0)
    try:
        with path.open("rb") as file:
            file.seek(begin)
            while piece := file.read(READ_AT_ONCE):
                whole = piece.rfind(b"\n") + 1
                if not whole:
                    return
                begin += whole
                marks.bytes_read[path.name] = begin
                file.seek(begin)
                yield piece[:whole]
    except OSError:
        return


def _rows_with(path: Path, needle: bytes) -> Iterator[dict[str, Any]]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    at = data.find(needle)
    while at >= 0:
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        if end < 0:
            return
        yield from _rows(data[begin:end])
        at = data.find(needle, end)


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.split(b"\n"):
        if not line:
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict):
            yield row


def _segments(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if NAME.fullmatch(path.name)]
    except OSError:
        return []
