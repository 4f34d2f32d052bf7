"""Times and stages as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tierwise_core.rollout.stages import Stage

__all__ = ["FAILED", "clock", "length"]

FAILED: Final = frozenset({Stage.ROLLING_BACK.value, Stage.ROLLED_BACK.value, Stage.ABORTED.value})
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def clock(moment: datetime | None) -> str:
    """The time of day, in UTC.

    >>> clock(datetime.fromisoformat("2026-01-31T12:00:05+00:00"))
    '12:00:05'
    """
    return f"{moment:%H:%M:%S}" if moment is not None else "-"


def length(seconds: float) -> str:
    """A length of time by its two largest units.

    >>> [length(one) for one in (0.4, 72, 3_700, 190_000)]
    ['0s', '1m12s', '1h1m', '2d4h']
    """
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR}h"
