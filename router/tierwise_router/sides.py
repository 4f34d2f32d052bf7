"""The two sides of a Specialist while a rollout tries a candidate: its endpoints, blue and green.

Green is not trusted yet. Where all of its endpoints sit out, blue answers; the other way round
blue is tried all the same, and green only takes over from what has really failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tierwise_core.breaker import BreakerState
from tierwise_core.outliers import room_to_eject
from tierwise_core.policy_resilience import OutlierRules
from tierwise_core.route_split import GREEN, Split
from tierwise_core.route_table import Endpoint
from tierwise_router.endpoint_load import EndpointLoad

__all__ = ["Sides", "sides_of"]

Loads = tuple[EndpointLoad, ...]
CLOSED = BreakerState.CLOSED


class Sides(NamedTuple):
    """The endpoints of each side; neither is empty."""

    blue: Loads
    green: Loads

    def drawn(self, split: Split | None, key: bytes, now: float) -> tuple[Loads, Loads]:
        """Give the side that answers a request, and the one that takes over when it fails.

        Without a ``key`` or a ``split`` blue answers.
        """
        goes_green = split is not None and bool(key) and split.goes_green(key)
        if goes_green and any(load.breaker.admits(now) for load in self.green):
            return self.green, self.blue
        return self.blue, self.green

    def width(self, split: Split | None) -> float:
        """Tell how many endpoints share the requests, so that neither side gets more than it takes.

        Three blue and one green at 5 % are as many as 3.16: were they four, blue would get more.
        """
        share = split.green_percent / 100 if split is not None else 0.0
        of_blue = len(self.blue) / (1 - share) if share < 1 else float("inf")
        of_green = len(self.green) / share if share > 0 else float("inf")
        return min(of_blue, of_green)

    def side_of(self, load: EndpointLoad) -> Loads:
        """Give the endpoints that one is to be compared with: those of its own side."""
        return self.green if load in self.green else self.blue

    def may_sit_out(self, load: EndpointLoad, rules: OutlierRules) -> bool:
        """Tell whether one more may be left out: of green any, since blue takes over."""
        if load in self.green:
            return True
        out = sum(one.breaker.state is not CLOSED for one in self.blue)
        return room_to_eject(len(self.blue), out, rules)


def sides_of(endpoints: Sequence[Endpoint], loads: Sequence[EndpointLoad]) -> Sides | None:
    """Part the endpoints; None where all of them are of one side, so that there is no choice."""
    green = tuple(load for load, one in zip(loads, endpoints, strict=True) if one.side == GREEN)
    if not green or len(green) == len(loads):
        return None
    return Sides(tuple(load for load in loads if load not in green), green)
