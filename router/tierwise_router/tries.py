"""Asks one of a Specialist's endpoints after the other until one answers.

While a rollout divides them, the side that a request is drawn for is asked first, and the other
one takes over from what fails there.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, MutableMapping
from typing import Any, Final, NamedTuple
from zlib import crc32

from tierwise_core.errors import NoEndpointError
from tierwise_core.policy_resilience import ResiliencePolicy
from tierwise_core.route_split import GREEN, Split
from tierwise_core.route_table import Route, RouteTable
from tierwise_router.attempts import AdapterAbsentError, Attempts, PassedOverError
from tierwise_router.balance import Balancer, EndpointLoad
from tierwise_router.errors import (
    UpstreamDiedError,
    UpstreamError,
    UpstreamUnreachableError,
    failure_word,
)
from tierwise_router.guard import Guard
from tierwise_router.lease import Ask, Draw, Fallen, Lease
from tierwise_router.sides import Loads, Sides

__all__ = ["Tries"]

FIRST_ERROR: Final = 400
FIRST_SERVER_ERROR: Final = 500
PERHAPS_THE_CLIENTS: Final = frozenset({400, 404})
NOBODY: Final = Draw(b"")


class GaveWay(NamedTuple):
    """Why a side gave way to the other one: a failure's word and endpoint.

    The word is empty where nothing has failed; ``client`` says that the request may be to blame.
    """

    word: str = ""
    url: str = ""
    client: bool = False


class Tries:
    """What one request may try; ``counts`` has the attempts that failed before one answered."""

    def __init__(
        self, attempts: Attempts, balancer: Balancer, counts: MutableMapping[str, int]
    ) -> None:
        self._attempts = attempts
        self._balancer = balancer
        self._clock = balancer.clock
        self._counts = counts
        self._policy = ResiliencePolicy()
        self._splits: Mapping[str, Split] = {}

    def learn(self, table: RouteTable) -> None:
        """Take in a new table: its policy and its shares count from the next attempt on."""
        self._policy = table.policy.resilience
        self._attempts.learn(self._policy)
        self._splits = {
            key: route.split for key, route in table.routes.items() if route.split is not None
        }

    def ask(self, route: Route, asked: Ask, guard: Guard) -> Coroutine[Any, Any, Lease]:
        """Ask until somebody answers; raises what the last attempt does."""
        siblings, rules = guard.siblings, self._policy.retries
        loads, draw = siblings.loads, asked.draw
        if guard.retries.saved < rules.burst:
            guard.retries.deposit(rules.budget_share, rules.burst)
        if siblings.sides is not None or (draw is not None and draw.side):
            return self._sided(route, asked, guard, draw or NOBODY)
        if len(loads) == 1:  # nobody else to ask, whatever becomes of it
            if route.adapter:
                return self._only(route, loads[0], asked, guard)
            return self._attempts.one(route, loads[0], asked, guard, is_last=True)
        return self._among(route, asked, guard, loads, min(rules.max_attempts, len(loads)))

    async def _sided(self, route: Route, asked: Ask, guard: Guard, draw: Draw) -> Lease:
        sides, most = guard.siblings.sides, self._policy.retries.max_attempts
        if draw.side or sides is None:
            only = _endpoints_of(draw.side, route, guard, sides)
            return await self._among(route, asked, guard, only, min(most, len(only)))
        # The newest shares count, also for a request that came before they did.
        split = self._splits.get(route.key, route.split)
        first, second = sides.drawn(split, draw.key, self._clock())
        if most == 1:
            return await self._among(route, asked, guard, first, 1)
        attempts, began_at = min(most - 1, len(first)), self._clock()
        found = await self._first(route, asked, guard, first, attempts)
        if isinstance(found, Lease):
            return found
        fallen = Fallen(found.url, found.word, self._clock() - began_at)
        self._counts[route.key] += 1
        try:
            lease = await self._among(
                route, asked, guard, second, min(most - attempts, len(second))
            )
        except BaseException:
            draw.note(fallen)
            raise
        # What both refuse is the request's own fault, and nobody's failure.
        if lease.response.status < FIRST_ERROR or not found.client:
            draw.note(fallen)
        return lease

    async def _first(
        self, route: Route, asked: Ask, guard: Guard, first: Loads, attempts: int
    ) -> Lease | GaveWay:
        """Ask one side, and say so where the other one is to be asked.

        An error of its own is a reason if it is green's: the candidate is on trial, and its client
        is not. It may read less than blue, or do less, which is a refusal (400).
        """
        try:
            lease = await self._among(route, asked, guard, first, attempts, spare=True)
        except AdapterAbsentError:
            return GaveWay()
        except PassedOverError as error:
            return GaveWay(f"status-{error.status}", error.endpoint)
        except (UpstreamUnreachableError, UpstreamDiedError) as error:
            if not self._repeats(error, asked, guard):
                raise
            return GaveWay(failure_word(error), error.endpoint)
        status, sides = lease.response.status, guard.siblings.sides
        refuses = status in PERHAPS_THE_CLIENTS
        gives_way = (
            (refuses or status >= FIRST_SERVER_ERROR)
            and (sides is not None and first is sides.green)
            and (asked.idempotent and guard.may_retry(self._clock(), self._policy))
        )
        if not gives_way:
            return lease
        lease.release()
        return GaveWay(f"status-{status}", lease.url, client=refuses)

    async def _among(  # noqa: PLR0913 - a request, and who may answer it how often
        self,
        route: Route,
        asked: Ask,
        guard: Guard,
        loads: Loads,
        attempts: int,
        *,
        spare: bool = False,
    ) -> Lease:
        """Ask several endpoints; with somebody to ``spare`` none of them is the last to be asked.

        AdapterAbsentError and PassedOverError of the last one are then the caller's to take.
        """
        known = asked.session and self._balancer.scoring is None
        prefix = b"" if known else self._prefix(asked.body)
        hedges = self._policy.hedging.enabled and asked.idempotent
        tried: list[EndpointLoad] = []
        while True:
            load = self._balancer.pick(
                route, session=asked.session, prefix=prefix, tried=tuple(tried), among=loads
            )
            tried.append(load)
            at_end = len(tried) >= attempts
            is_last = at_end and not spare
            try:
                if hedges:
                    lease = await self._attempts.hedged(
                        route, load, asked, guard, tried, is_last=is_last
                    )
                else:
                    lease = await self._attempts.one(route, load, asked, guard, is_last=is_last)
            except (AdapterAbsentError, PassedOverError) as error:  # the latter has been paid for
                if at_end:
                    raise (error if spare else _being_loaded(route)) from None
            except (UpstreamUnreachableError, UpstreamDiedError) as error:
                if len(tried) >= attempts or not self._repeats(error, asked, guard):
                    raise
            else:
                lease.attempts = len(tried)
                return lease
            self._counts[route.key] += 1

    async def _only(self, route: Route, load: EndpointLoad, asked: Ask, guard: Guard) -> Lease:
        try:
            return await self._attempts.one(route, load, asked, guard, is_last=True)
        except AdapterAbsentError:
            raise _being_loaded(route) from None

    def _repeats(self, error: UpstreamError, asked: Ask, guard: Guard) -> bool:
        never_sent = isinstance(error, UpstreamUnreachableError)
        return (asked.idempotent or never_sent) and guard.may_retry(self._clock(), self._policy)

    def _prefix(self, body: bytes) -> bytes:
        """Give a key to what a long prompt begins with; empty for a short one.

        The bytes are the client's own, so that equal beginnings are equal here as they are in the
        engine's cache.
        """
        wanted = self._policy.affinity.prefix_bytes
        begins_at = body.find(b'"messages"')
        if not wanted or begins_at < 0 or len(body) - begins_at < wanted:
            return b""
        return b"%08x" % crc32(memoryview(body)[begins_at : begins_at + wanted])


def _endpoints_of(side: str, route: Route, guard: Guard, sides: Sides | None) -> Loads:
    """Find the endpoints that alone may answer; raises NoEndpointError without any."""
    if sides is not None:
        return sides.green if side == GREEN else sides.blue
    if any((one.side == GREEN) == (side == GREEN) for one in route.endpoints):
        return guard.siblings.loads
    raise NoEndpointError(f"model {route.title!r} has no ready endpoint on its {side} side")


def _being_loaded(route: Route) -> NoEndpointError:
    return NoEndpointError(
        f"model {route.title!r}: its pods do not have the adapter now and load it again; try "
        f"again in a moment, or see `kubectl describe specialist -n {route.namespace} {route.name}`"
    )
