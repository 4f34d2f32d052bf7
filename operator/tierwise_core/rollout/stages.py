"""The stages of a rollout, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["FINAL", "FOLLOWS", "LIVE", "Stage"]


class Stage(StrEnum):
    """Where a rollout stands."""

    PENDING = "Pending"
    TRAINING = "Training"
    BENCHMARK = "Benchmark"
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
"""Both sides serve."""

_BACK: Final = frozenset({Stage.ROLLING_BACK, Stage.PAUSED})
_GOES_ON: Final = frozenset({Stage.PROMOTED, Stage.ABORTED}) | _BACK

FOLLOWS: Final[Mapping[Stage, frozenset[Stage]]] = MappingProxyType(
    {
        Stage.PENDING: _GOES_ON | {Stage.TRAINING, Stage.BENCHMARK, Stage.CANARY},
        Stage.TRAINING: _GOES_ON | {Stage.PENDING},
        Stage.BENCHMARK: _GOES_ON | {Stage.CANARY},
        Stage.CANARY: _GOES_ON | {Stage.SHIFTING, Stage.INCONCLUSIVE},
        Stage.SHIFTING: _GOES_ON | {Stage.INCONCLUSIVE},
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
