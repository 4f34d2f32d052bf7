"""The lines of the journal: what is recorded, as bytes that end with their line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import orjson
import structlog

from tierwise_core.decision_record import Recordable

__all__ = ["Row", "line_of", "whole_lines"]

log = structlog.get_logger(__name__)


class Row:
    """A row that is ready as it is."""

    __slots__ = ("_row",)

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def to_row(self) -> Mapping[str, Any]:
        """Give the row."""
        return self._row


def line_of(outcome: Recordable) -> bytes:
    """Tell an outcome as a line; empty for one that cannot be told, which the log says."""
    try:
        return orjson.dumps(outcome.to_row(), option=orjson.OPT_APPEND_NEWLINE)
    except Exception:  # an answer that is on its way out must not fail for its record
        log.exception("an outcome could not be told")
        return b""


def whole_lines(lines: Sequence[bytes], written: int) -> int:
    r"""Count the lines that so many bytes hold as a whole.

    >>> whole_lines([b"one\n", b"two\n"], 7)
    1
    """
    return sum(end <= written for end in accumulate(map(len, lines)))
