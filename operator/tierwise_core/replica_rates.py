"""What replicas do under load, as it changed, and which of it counts for an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierwise_core.bill import HOUR_MS

__all__ = ["Cell", "RateHistory", "Rates"]


@dataclass(frozen=True, slots=True)
class Rates:
    """What one replica does under load, in thousandths of a token per second.

    ``gpus`` are those of one replica. ``measured`` says that the engine itself told.
    """

    prefill_mtps: int
    decode_mtps: int
    gpus: int = 1
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of a Specialist on a tier."""

    hour_ms: int
    specialist: str
    tier: str


@dataclass(frozen=True, slots=True)
class RateHistory:
    """What replicas did under load, as it changed: by Specialist and tier, from when on what held.

    An hour counts at the rates that held when it ended; one before anything was told, at the first.

    >>> slow, fast = Rates(1000, 100), Rates(2000, 200)
    >>> history = RateHistory({("demo/a", "h100"): ((5_000, slow), (4_000_000, fast))})
    >>> [history.of(Cell(hour * HOUR_MS, "demo/a", "h100")) is fast for hour in (0, 1)]
    [False, True]
    """

    changes: Mapping[tuple[str, str], Sequence[tuple[int, Rates]]]

    @classmethod
    def constant(cls, rates: Mapping[tuple[str, str], Rates]) -> RateHistory:
        """Take rates that never changed."""
        return cls({key: ((0, one),) for key, one in rates.items()})

    def of(self, cell: Cell) -> Rates | None:
        """Give the rates of an hour; None where nobody ever told."""
        changes = self.changes.get((cell.specialist, cell.tier))
        if not changes:
            return None
        ended_ms = cell.hour_ms + HOUR_MS
        held = [rates for at_ms, rates in changes if at_ms < ended_ms]
        return held[-1] if held else changes[0][1]
