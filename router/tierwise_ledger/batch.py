"""What comes in at once, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierwise_core.decision_record import DecisionRecord, Feedback

__all__ = ["Batch", "Ingested"]


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one transaction that were not known before.

    ``at`` of decisions and feedback is in the ledger's clock. ``feedback`` may be about decisions
    that have not come yet, or came long ago. ``rows`` are those of every other kind. ``told`` are
    the decisions once more, as the router wrote them.
    """

    decisions: tuple[DecisionRecord, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    told: tuple[Mapping[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.decisions or self.feedback or self.rows)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the rows: ``known`` had come before, ``rejected`` say why they are wrong."""

    new: int = 0
    known: int = 0
    rejected: tuple[str, ...] = ()
