"""Questions with their field, from JSON lines: ``{"text": "...", "field": "law" or null}``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tierwise_core.errors import TierwiseError
from tierwise_router.json_rows import ReadRows, RowError, read_object, read_rows

__all__ = ["Labelled", "LabelledFileError", "read_labelled"]


class LabelledFileError(TierwiseError):
    """A file of questions cannot be used; the message names it and says why."""

    reason = "UnusableQuestions"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One question; ``field`` is None when it belongs to nobody's."""

    text: str
    field: str | None


def read_labelled(path: Path) -> ReadRows[Labelled]:
    """Read a file; rows that are no questions are left out and named with their line.

    Raises LabelledFileError for a file that cannot be read or has no row that can be used.
    """
    try:
        found = read_rows(path, _read)
    except OSError as error:
        raise LabelledFileError(f"{path} cannot be read: {error.strerror}") from None
    if not found.rows:
        first = f"; {found.problems[0]}" if found.problems else ""
        raise LabelledFileError(f"{path} has no usable row{first}")
    return found


def _read(line: bytes) -> Labelled:
    row = read_object(line)
    text, field = row.get("text"), row.get("field", "")
    if not isinstance(text, str) or not text.strip():
        raise RowError(f"'text' is {text!r}; give the question as a string")
    if field == "" or not isinstance(field, str | None):
        raise RowError(f"'field' is {row.get('field', 'missing')!r}; give a name, or null")
    return Labelled(text, field)
