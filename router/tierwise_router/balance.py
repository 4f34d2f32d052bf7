"""Which of a Specialist's endpoints gets the next request.

Two choices at random, the less busy one wins: close to the best possible balance at the price of
two look-ups. A session, or a prompt with a long beginning that others share, goes to its home,
whose KV cache knows it, unless that is far busier than the others. An endpoint whose breaker is
open sits out; when all do, all are tried all the same: a wrong verdict must not become an outage.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence

from tierwise_core.breaker import BreakerState
from tierwise_core.errors import NoEndpointError
from tierwise_core.policy_resilience import AffinityRules
from tierwise_core.route_split import Split
from tierwise_core.route_table import Endpoint, Route
from tierwise_router.endpoint_load import EndpointLoad
from tierwise_router.pod_scoring import PodScoring
from tierwise_router.sides import Sides, sides_of
from tierwise_router.spreading import spread
from tierwise_router.upstream.target import parse_target

__all__ = ["Balancer", "EndpointLoad", "Siblings", "no_endpoint"]

AFFINITY_SLACK = 4
CLOSED = BreakerState.CLOSED
NO_LIMIT = 1 << 30
DEFAULT_AFFINITY = AffinityRules()


class Siblings:
    """The endpoints of one route, looked up once for each table.

    ``sides`` parts them while a rollout has some on either side, None where all are of one.
    ``width`` is how many of them share the requests: a side that gets few of them does not make
    room for more. ``sweep_at`` is when they are compared next.
    """

    __slots__ = ("endpoints", "loads", "sides", "sweep_at", "width")

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        loads: tuple[EndpointLoad, ...],
        split: Split | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.loads = loads
        self.sides: Sides | None = sides_of(endpoints, loads)
        self.width = len(loads) if self.sides is None else self.sides.width(split)
        self.sweep_at = 0.0

    @property
    def out(self) -> int:
        """How many of them sit out."""
        return sum(load.breaker.state is not CLOSED for load in self.loads)

    def peers(self, load: EndpointLoad) -> tuple[EndpointLoad, ...]:
        """Give those that do the same work as one of them, itself included."""
        return self.loads if self.sides is None else self.sides.side_of(load)


class Balancer:
    """Picks endpoints and remembers how they did; one per dispatcher replica.

    ``most_in_flight`` is how many requests one endpoint gets at a time, as long as another has
    fewer; ``affinity`` says how long a home is kept. With ``scoring`` the policy's scorers decide.

    Args:
        clock: seconds, monotonic.
        rng: where the two choices come from; a seeded one makes picks repeatable.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, rng: random.Random | None = None
    ) -> None:
        self.clock = clock
        self.most_in_flight = NO_LIMIT
        self.affinity = DEFAULT_AFFINITY
        self.scoring: PodScoring | None = None
        self._random = (rng or random.Random()).random  # noqa: S311 - balancing load, no secret
        self._loads: dict[str, EndpointLoad] = {}
        self._siblings: dict[str, Siblings] = {}

    def siblings(self, route: Route) -> Siblings:
        """Give what is known of a route's endpoints."""
        known = self._siblings.get(route.title)
        if known is None or known.endpoints is not route.endpoints:
            loads = tuple(self._load(endpoint.url) for endpoint in route.endpoints)
            known = self._siblings[route.title] = Siblings(route.endpoints, loads, route.split)
        return known

    def pick(
        self,
        route: Route,
        *,
        session: bytes = b"",
        prefix: bytes = b"",
        tried: tuple[EndpointLoad, ...] = (),
        among: Sequence[EndpointLoad] | None = None,
    ) -> EndpointLoad:
        """Pick an endpoint that was not tried yet; raises NoEndpointError when there is none.

        ``session`` weighs more than ``prefix``, and ``among`` is the side that a rollout leaves.
        The last endpoint of a route is given out whatever its breaker says: whether it is asked at
        all is for the Specialist's own breaker to say.
        """
        loads: Sequence[EndpointLoad] = self.siblings(route).loads if among is None else among
        if tried:
            loads = [load for load in loads if load not in tried]
        if len(loads) == 1:
            return loads[0]
        if not loads:
            raise no_endpoint(route, tried)
        if route.external:
            return self._first(loads)
        if self.scoring is not None:
            among = self._open(loads)
            return self.scoring.pick(among, session, prefix, adapter=bool(route.adapter))
        if session or prefix:
            return self._affine(self._open(loads), session or prefix)
        one, other = self._two_of(loads)
        if not (self._takes_more(one) and self._takes_more(other)):
            loads = self._open(loads)
            if len(loads) == 1:
                return loads[0]
            one, other = self._two_of(loads)
        return one if _busy(one) <= _busy(other) else other

    def keep_only(self, urls: Iterable[str]) -> list[str]:
        """Forget every other endpoint, and tell which those were."""
        kept = set(urls)
        gone = [url for url in self._loads if url not in kept]
        for url in gone:
            del self._loads[url]
        self._siblings.clear()
        return gone

    def in_flight(self) -> int:
        """Count our requests at all endpoints."""
        return sum(load.in_flight for load in self._loads.values())

    def _load(self, url: str) -> EndpointLoad:
        load = self._loads.get(url)
        if load is None:
            load = self._loads[url] = EndpointLoad(parse_target(url))
        return load

    def _first(self, loads: Sequence[EndpointLoad]) -> EndpointLoad:
        """Give a provider's first address that may be asked now, in the order of the spec."""
        now = self.clock()
        healthy = [load for load in loads if load.breaker.admits(now)] or loads
        return next((load for load in healthy if load.shut_until <= now), healthy[0])

    def _takes_more(self, load: EndpointLoad) -> bool:
        return load.breaker.state is CLOSED and load.in_flight < self.most_in_flight

    def _open(self, loads: Sequence[EndpointLoad]) -> Sequence[EndpointLoad]:
        """Leave out who sits out, then who has as many requests as it may; unless all do."""
        now = self.clock()
        healthy = [load for load in loads if load.breaker.admits(now)] or loads
        return [load for load in healthy if load.in_flight < self.most_in_flight] or healthy

    def _two_of(self, loads: Sequence[EndpointLoad]) -> tuple[EndpointLoad, EndpointLoad]:
        count = len(loads)
        first = int(self._random() * count)
        second = int(self._random() * (count - 1))
        return loads[first], loads[second + (second >= first)]

    def _affine(self, loads: Sequence[EndpointLoad], key: bytes) -> EndpointLoad:
        # Rendezvous hashing: a pod that comes or goes moves only its own share of the keys. A home
        # with more than its share of the load is passed over for the next in the key's own order,
        # which again is the same for every dispatcher.
        mean = sum(load.in_flight for load in loads) / len(loads)
        most = AFFINITY_SLACK + self.affinity.load_factor * mean
        fitting = [load for load in loads if load.in_flight <= most and not load.engine.full]
        return max(fitting or loads, key=lambda load: spread(key + load.target.authority))


def _busy(load: EndpointLoad) -> tuple[bool, int]:
    """Tell how busy an endpoint is: a full KV cache would only make the request wait there."""
    return load.engine.full, load.in_flight + load.engine.waiting


def no_endpoint(route: Route, tried: tuple[EndpointLoad, ...] = ()) -> NoEndpointError:
    """Say that a Specialist has no endpoint, or none beside those that were tried."""
    if tried:
        return NoEndpointError(
            f"model {route.title!r}: none of its {len(tried)} endpoints could be reached"
        )
    return NoEndpointError(
        f"model {route.title!r} has no ready endpoint; "
        f"`kubectl describe specialist -n {route.namespace} {route.name}` says why"
    )
