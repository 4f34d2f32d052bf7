"""The stages of a rollout, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["COMPARED", "FINAL", "FOLLOWS", "LIVE", "Stage"]


class Stage(StrEnum):
    """Where a rollout stands."""

    PENDING = "Pending"
    TRAINING = "Training"
    BENCHMARK = "Benchmark"
    SHADOW = "Shadow"
    CANARY = "Canary"
    SHIFTING = "Shifting"
    INCONCLUSIVE = "Inconclusive"
    PROMOTED = "Promoted"
    COMPLETE = "Complete"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    PAUSED = "Paused"
    ABORTED = "Aborted"


FINAL: Final = frozenset({Stage.COMPLETE, Stage.ROLLED_BACK, Stage.ABORTED})
"""Nothing follows these."""

LIVE: Final = frozenset({Stage.CANARY, Stage.SHIFTING, Stage.INCONCLUSIVE})
"""Both sides serve; or did, and nobody is sent to green any more, where it only listened."""

COMPARED: Final = LIVE | {Stage.SHADOW}
"""Both sides answer, and what they answer is compared."""

_BACK: Final = frozenset({Stage.ROLLING_BACK, Stage.PAUSED})
_FIRST: Final = frozenset({Stage.SHADOW, Stage.CANARY})
_GOES_ON: Final = frozenset({Stage.PROMOTED, Stage.ABORTED}) | _BACK

FOLLOWS: Final[Mapping[Stage, frozenset[Stage]]] = MappingProxyType(
    {
        Stage.PENDING: _GOES_ON | {Stage.TRAINING, Stage.BENCHMARK} | _FIRST,
        Stage.TRAINING: _GOES_ON | {Stage.PENDING},
        Stage.BENCHMARK: _GOES_ON | _FIRST,
        Stage.SHADOW: _GOES_ON | {Stage.CANARY, Stage.SHIFTING, Stage.INCONCLUSIVE},
        Stage.CANARY: _GOES_ON | {Stage.SHADOW, Stage.SHIFTING, Stage.INCONCLUSIVE},
        Stage.SHIFTING: _GOES_ON | _FIRST | {Stage.INCONCLUSIVE},
        Stage.INCONCLUSIVE: _GOES_ON,
        Stage.PROMOTED: frozenset({Stage.COMPLETE, Stage.ROLLING_BACK}),
        Stage.ROLLING_BACK: frozenset({Stage.ROLLED_BACK, Stage.ABORTED}),
        Stage.PAUSED: frozenset(Stage) - FINAL - {Stage.PAUSED} | {Stage.ABORTED},
        Stage.COMPLETE: frozenset(),
        Stage.ROLLED_BACK: frozenset(),
        Stage.ABORTED: frozenset(),
    }
)
"""What may follow a stage in one step; a stage may always stay."""
