"""What ends in one turn of the event loop: written down together, and answered after it.

A record that is made on its own finds its code gone from the processor's caches, and takes a write
of its own. Those of a turn are rendered in a row and written by one call
(docs/decisions/plain-python-on-the-hot-path.md has the figures).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from tierwise_core.decision_record import Recordable

__all__ = ["Turn"]

log = structlog.get_logger(__name__)

MOST: Final = 32
"""Answers that wait for one write: more would wait longer than it spares them."""


class Turn:
    """The outcomes of the turn at hand, and the answers that wait until those are written.

    Whoever records an outcome says then what is to happen behind it, or ends the turn.

    Args:
        write: writes outcomes down; they are written when it returns, whatever became of them.
    """

    __slots__ = ("_answers", "_loop", "_outcomes", "_write")

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outcomes: list[Recordable] = []
        self._answers: list[Callable[[], None]] = []

    def record(self, outcome: Recordable) -> None:
        """Take an outcome that is written at the end of the turn."""
        self._outcomes.append(outcome)

    def then(self, answer: Callable[[], None]) -> None:
        """Call ``answer`` once everything that was recorded is written."""
        self._answers.append(answer)
        if len(self._answers) >= MOST:
            self.end()
        elif len(self._answers) == 1:
            loop = self._loop = self._loop or asyncio.get_running_loop()
            loop.call_soon(self.end)

    def end(self) -> None:
        """Write everything down now, then let the answers go, each in its turn."""
        outcomes, self._outcomes = self._outcomes, []
        answers, self._answers = self._answers, []
        try:
            if outcomes:
                self._write(*outcomes)
        finally:
            for answer in answers:
                try:
                    answer()
                except Exception:  # one client's answer is not the others' matter
                    log.exception("an answer could not be sent")
