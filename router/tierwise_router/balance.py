"""Which of a Specialist's endpoints gets the next request.

Two choices at random, the less busy one wins: close to the best possible balance at the price of
two look-ups. Sessions stick to an endpoint (its KV cache knows them) unless it is far busier than
the others. An endpoint that cannot be reached sits out for a while.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from zlib import crc32

from tierwise_core.errors import NoEndpointError
from tierwise_core.route_table import Route
from tierwise_router.upstream.target import Target, parse_target

__all__ = ["Balancer", "EndpointLoad"]

FIRST_EJECTION_S = 1.0
LONGEST_EJECTION_S = 30.0
AFFINITY_SLACK = 4


class EndpointLoad:
    """One endpoint and what this dispatcher knows of it.

    ``in_flight`` counts our own requests there. ``ejected_until`` is on the balancer's clock.
    """

    __slots__ = ("ejected_until", "failures", "in_flight", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.in_flight = 0
        self.failures = 0
        self.ejected_until = 0.0


class Balancer:
    """Picks endpoints and remembers how they did; one per dispatcher replica.

    Args:
        clock: seconds, monotonic.
        rng: where the two choices come from; a seeded one makes picks repeatable.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, rng: random.Random | None = None
    ) -> None:
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - balancing load, not guarding a secret
        self._loads: dict[str, EndpointLoad] = {}

    def pick(
        self, route: Route, *, session: bytes = b"", tried: tuple[EndpointLoad, ...] = ()
    ) -> EndpointLoad:
        """Pick an endpoint that was not tried yet; raises NoEndpointError when there is none.

        When every endpoint sits out, the one whose time ends first is tried all the same: a wrong
        ejection must not turn into an outage.
        """
        endpoints = route.endpoints
        if len(endpoints) == 1 and not tried:
            return self._load(endpoints[0].url)
        loads = [self._load(endpoint.url) for endpoint in endpoints]
        left = [load for load in loads if load not in tried] if tried else loads
        if not left:
            raise NoEndpointError(_nobody(route, tried))
        now = self._clock()
        healthy = [load for load in left if load.ejected_until <= now]
        if not healthy:
            return min(left, key=lambda load: load.ejected_until)
        return self._affine(healthy, session) if session else self._less_busy(healthy)

    def failed(self, load: EndpointLoad) -> None:
        """Let an endpoint sit out: 1 s, doubling to 30 s as long as it keeps failing."""
        load.failures += 1
        sit_out_s = min(FIRST_EJECTION_S * 2 ** min(load.failures - 1, 10), LONGEST_EJECTION_S)
        load.ejected_until = self._clock() + sit_out_s

    def succeeded(self, load: EndpointLoad) -> None:
        """Take an endpoint back."""
        load.failures = 0
        load.ejected_until = 0.0

    def keep_only(self, urls: Iterable[str]) -> list[str]:
        """Forget every other endpoint, and tell which those were."""
        kept = set(urls)
        gone = [url for url in self._loads if url not in kept]
        for url in gone:
            del self._loads[url]
        return gone

    def in_flight(self) -> int:
        """Count our requests at all endpoints."""
        return sum(load.in_flight for load in self._loads.values())

    def _load(self, url: str) -> EndpointLoad:
        load = self._loads.get(url)
        if load is None:
            load = self._loads[url] = EndpointLoad(parse_target(url))
        return load

    def _less_busy(self, loads: list[EndpointLoad]) -> EndpointLoad:
        if len(loads) == 1:
            return loads[0]
        one, other = self._rng.sample(loads, 2)
        return one if one.in_flight <= other.in_flight else other

    def _affine(self, loads: list[EndpointLoad], session: bytes) -> EndpointLoad:
        # Rendezvous hashing: a pod that comes or goes moves only its own share of the sessions.
        home = max(loads, key=lambda load: _spread(session + load.target.authority))
        least = min(load.in_flight for load in loads)
        return home if home.in_flight <= 2 * least + AFFINITY_SLACK else self._less_busy(loads)


def _spread(text: bytes) -> int:
    # CRC-32 alone is linear, and would give some endpoints twice the share of others.
    return crc32(text) * 0x9E3779B1 % 2**32


def _nobody(route: Route, tried: tuple[EndpointLoad, ...]) -> str:
    if tried:
        return f"model {route.title!r}: none of its {len(tried)} endpoints could be reached"
    return (
        f"model {route.title!r} has no ready endpoint; "
        f"`kubectl describe specialist -n {route.namespace} {route.name}` says why"
    )
