"""What was decided for one request, as the headers and the words that tell a client of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import count

from tierwise_core.route_table import Route
from tierwise_core.routing import Hop
from tierwise_router.upstream.response import Headers

__all__ = ["Decision", "DecisionIds", "Step", "where"]


class DecisionIds:
    """Names decisions: unique over all dispatchers, and cheap.

    >>> ids = DecisionIds(b"ab12")
    >>> ids.next(), ids.next()
    (b'd-ab12-000001', b'd-ab12-000002')
    """

    def __init__(self, prefix: bytes = b"") -> None:
        self._prefix = prefix or os.urandom(5).hex().encode()
        self._count = count(1)

    def next(self) -> bytes:
        """Give the next name."""
        return b"d-%s-%06x" % (self._prefix, next(self._count))


def where(route: Route) -> str:
    """Name a Specialist, with its adapter if it is one's route, and its tier.

    >>> where(Route("demo", "sorter", "sorting", "sorter", tier="rtx-4090"))
    'sorter@rtx-4090'
    >>> where(Route("demo", "sorter", "sorting", "sorter", tier="h100", adapter="customer-a"))
    'sorter:customer-a@h100'
    """
    name = f"{route.name}:{route.adapter}" if route.adapter else route.name
    return f"{name}@{tier_of(route)}"


def tier_of(route: Route) -> str:
    """Name the tier that answers; a provider's models run on none of ours."""
    return route.tier or ("external" if route.external else "unplaced")


@dataclass(frozen=True, slots=True)
class Step:
    """One Specialist that was asked: how sure its answer was, or why it gave none."""

    hop: Hop
    confidence: float | None = None
    failure: str = ""

    def __str__(self) -> str:
        if self.failure:
            return f"{where(self.hop.route)}=failed:{self.failure}"
        if self.confidence is None:
            return where(self.hop.route)
        below = "" if self.confidence >= self.hop.floor else f"<{self.hop.floor:.2f}"
        return f"{where(self.hop.route)}={self.confidence:.2f}{below}"

    def describe(self) -> dict[str, object]:
        """Tell the same in JSON's types."""
        return {
            "specialist": self.hop.route.key,
            "tier": tier_of(self.hop.route),
            "confidence": self.confidence,
            "floor": self.hop.floor,
            "reason": self.failure or self.hop.reason,
        }


@dataclass(slots=True)
class Decision:
    """The way a request took so far, what it cost and how sure the answer is."""

    id: bytes
    steps: list[Step] = field(default_factory=list)
    cost_usd: float = 0.0

    @property
    def path(self) -> str:
        """Tell the way in one line: ``sorter@rtx-4090=0.41<0.85, frontier@h100=0.97``."""
        return ", ".join(str(step) for step in self.steps)

    def headers(self) -> Headers:
        """Make the ``x-tierwise-*`` headers of an answer.

        The confidence is left out where none was measured, as in a request by name.
        """
        if not self.steps:
            return [(b"x-tierwise-decision", self.id)]
        last = self.steps[-1]
        route = last.hop.route
        headers = [
            (b"x-tierwise-decision", self.id),
            (b"x-tierwise-specialist", route.key.encode()),
            (b"x-tierwise-tier", tier_of(route).encode()),
            (b"x-tierwise-cost-usd", b"%.9f" % self.cost_usd),
            (b"x-tierwise-path", self.path.encode("ascii", "replace")),
        ]
        if route.adapter:
            headers.append((b"x-tierwise-adapter", route.adapter.encode()))
        if last.confidence is not None:
            headers.append((b"x-tierwise-confidence", b"%.4f" % last.confidence))
        return headers
