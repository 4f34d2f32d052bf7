"""Requests that were turned away before anybody was asked: which of them are written down."""

from __future__ import annotations

from typing import Final

__all__ = ["Refusals", "is_refusal"]

MOST_PER_SECOND: Final = 50
OTHERWISE: Final = frozenset({401, 422, 499})
NOT_NOW: Final = (503, 508)


def is_refusal(status: int) -> bool:
    """Tell whether an answer says no: the client's fault, its limits, or too much at the moment.

    An abstention (422) is none, and neither is a client that left or whom nobody knows.

    >>> [is_refusal(status) for status in (404, 429, 503, 401, 422, 499, 500, 200)]
    [True, True, True, False, False, False, False, False]
    """
    return status in NOT_NOW or (400 <= status < 500 and status not in OTHERWISE)  # noqa: PLR2004


class Refusals:
    """Limits how many refusals are recorded: a flood of them must not push answers out.

    >>> refusals = Refusals(most_per_second=2)
    >>> [refusals.wanted(100.0 + part) for part in (0.1, 0.2, 0.3, 1.1)]
    [True, True, False, True]
    """

    def __init__(self, most_per_second: int = MOST_PER_SECOND) -> None:
        self._most = most_per_second
        self._second = 0
        self._count = 0

    def wanted(self, now: float) -> bool:
        """Tell whether one more is recorded; ``now`` is in seconds."""
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        return self._count <= self._most
