"""Texts of decisions: what was asked and answered, as far as it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

__all__ = ["ReadTexts", "Texts"]


@dataclass(frozen=True, slots=True)
class Texts:
    """What was said in one decision: the messages, and the answers by the number of their step.

    ``went_out`` is what the client got, for a last step that is not among the answers.
    """

    messages: tuple[Mapping[str, Any], ...]
    answers: Mapping[int, str]
    went_out: str = ""

    def of(self, position: int, *, answered: bool) -> str:
        """Give the answer of a step; ``answered`` tells that it is the one which went out."""
        return self.answers.get(position) or (self.went_out if answered else "")


ReadTexts = Callable[[Connection, Sequence[str]], Mapping[str, Texts]]
"""Gives the texts of decisions, as far as there are any."""
