"""Keeps below providers' limits: waits briefly, asks the next address, or says when to return."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final

from tierwise_core.provider import NO_TERMS, ProviderTerms
from tierwise_core.rate_limit import Bucket, tokens_asked
from tierwise_core.route_table import Route, RouteTable
from tierwise_router.balance import Balancer, EndpointLoad
from tierwise_router.errors import ProviderLimitError
from tierwise_router.lease import Ask, Lease
from tierwise_router.providers.told import SILENT, TOO_MANY, read_told
from tierwise_router.tally import Tally

__all__ = ["PATIENCE_S", "ProviderLimits"]

PATIENCE_S: Final = {"realtime": 2.0, "async": 30.0, "batch": 30.0, "background": 30.0}
"""How long a request waits for room at a provider, by its latency class, in seconds."""


class Gauge:
    """What this dispatcher may use of one provider's account, and uses of it."""

    __slots__ = ("in_flight", "most", "refusals", "requests", "terms", "tokens", "waiting")

    def __init__(self, terms: ProviderTerms, share: int, now_s: float) -> None:
        self.terms = terms
        rpm, tpm, most = terms.requests_per_minute, terms.tokens_per_minute, terms.max_concurrency
        self.requests = Bucket(rpm / share, now_s) if rpm else None
        # A prompt may be longer than a tenth of a minute's tokens.
        self.tokens = Bucket(tpm / share, now_s, tpm / share) if tpm else None
        self.most = max(1, most // share) if most else None
        self.in_flight = 0
        self.refusals = 0
        self.waiting: list[asyncio.Future[None]] = []

    def wait_s(self, tokens: int, now_s: float) -> float:
        """Say how long a request would have to wait for the rates."""
        of_requests = self.requests.wait_s(1.0, now_s) if self.requests else 0.0
        of_tokens = self.tokens.wait_s(tokens, now_s) if self.tokens else 0.0
        return max(of_requests, of_tokens)

    def take(self, tokens: int, now_s: float) -> None:
        """Count a request before it goes out."""
        if self.requests:
            self.requests.take(1.0, now_s)
        if self.tokens:
            self.tokens.take(tokens, now_s)

    def give_back(self, tokens: int) -> None:
        """Uncount a request that never went out."""
        if self.requests:
            self.requests.give_back(1.0)
        if self.tokens:
            self.tokens.give_back(tokens)

    def take_place(self) -> bool:
        """Take one of the provider's places, if one is free."""
        if self.most is not None and self.in_flight >= self.most:
            return False
        self.in_flight += 1
        return True

    async def wait_place(self, patience_s: float) -> bool:
        """Wait for one of the provider's places; False when there is none in time."""
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            async with asyncio.timeout(max(0.0, patience_s)):
                await turn
        except TimeoutError:
            return False
        finally:
            if turn in self.waiting:
                self.waiting.remove(turn)
        return True

    def leave(self) -> None:
        """Give a place back; the next one in the queue has it at once."""
        while self.waiting:
            turn = self.waiting.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        self.in_flight -= 1


class ProviderLimits:
    """The way to providers, in front of the dispatcher's own; lives in one event loop.

    Args:
        balancer: knows the addresses, and which of them to keep away from.
        tally: counts who waited, who was refused, and who went to another address.
        share: among how many dispatchers, over all pods, an account's limits are divided.
    """

    def __init__(self, balancer: Balancer, tally: Tally, share: int = 1) -> None:
        self._balancer = balancer
        self._clock = balancer.clock
        self._tally = tally
        self._share = max(1, share)
        self._gauges: dict[str, Gauge] = {}

    def learn(self, table: RouteTable) -> None:
        """Forget providers that are gone."""
        for key in self._gauges.keys() - table.routes.keys():
            del self._gauges[key]

    async def through(
        self, route: Route, asked: Ask, ask: Callable[[Route, Ask], Awaitable[Lease]]
    ) -> Lease:
        """Ask a provider within its limits; raises ProviderLimitError when that takes too long.

        A refusal (429) goes to the provider's next address; when all refuse, it is waited for if
        that is brief, and is the answer otherwise.
        """
        gauge = self._gauge(route)
        deadline = self._clock() + PATIENCE_S.get(asked.admitted.latency_class, 2.0)
        tokens = tokens_asked(asked.body) if gauge.tokens else 0
        tries = 0
        while True:
            await self._wait(route, gauge, tokens, deadline)
            lease = await self._once(route, gauge, asked, ask)
            tries += 1
            if tries > len(route.endpoints) or not self._again(route, lease, asked, deadline):
                return lease
            lease.release()

    async def _wait(self, route: Route, gauge: Gauge, tokens: int, deadline: float) -> None:
        now = self._clock()
        wait = self._shut_s(route, now)
        if gauge.requests or gauge.tokens:
            wait = max(wait, gauge.wait_s(tokens, now))
        if wait > deadline - now:
            self._refuse(route, wait)
        gauge.take(tokens, now)
        if wait:
            self._tally.provider[route.key, "waited"] += 1
            try:
                await asyncio.sleep(wait)
            except BaseException:
                gauge.give_back(tokens)
                raise
        if not gauge.take_place() and not await gauge.wait_place(deadline - self._clock()):
            gauge.give_back(tokens)
            self._refuse(route, 1.0)

    async def _once(
        self,
        route: Route,
        gauge: Gauge,
        asked: Ask,
        ask: Callable[[Route, Ask], Awaitable[Lease]],
    ) -> Lease:
        try:
            lease = await ask(route, asked)
        except BaseException:
            gauge.leave()
            raise
        released = lease.on_release

        def on_release(given: Lease) -> None:
            gauge.leave()
            if released is not None:
                released(given)

        lease.on_release = on_release
        self._hear(route, gauge, lease)
        return lease

    def _hear(self, route: Route, gauge: Gauge, lease: Lease) -> None:
        told = read_told(lease.response, gauge.refusals)
        if told is SILENT:
            gauge.refusals = 0
            return
        now = self._clock()
        if told.requests_left is not None and gauge.requests:
            gauge.requests.at_most(told.requests_left, now)
        if told.tokens_left is not None and gauge.tokens:
            gauge.tokens.at_most(told.tokens_left, now)
        if told.shut_s is not None:
            lease.load.shut_until = now + told.shut_s
        if lease.response.status == TOO_MANY:
            gauge.refusals += 1
            self._tally.provider[route.key, "refused"] += 1
        else:
            gauge.refusals = 0

    def _again(self, route: Route, lease: Lease, asked: Ask, deadline: float) -> bool:
        """Tell whether a refusal is worth another try: elsewhere, or after a brief wait."""
        if lease.response.status != TOO_MANY or not asked.idempotent:
            return False
        now = self._clock()
        shut_s = self._shut_s(route, now)
        if not shut_s:
            self._tally.provider[route.key, "elsewhere"] += 1
        return shut_s <= deadline - now

    def _shut_s(self, route: Route, now: float) -> float:
        """Say how long until one of the addresses may be asked again."""
        loads: tuple[EndpointLoad, ...] = self._balancer.siblings(route).loads
        if loads and loads[0].shut_until <= now:
            return 0.0
        return max(0.0, min((load.shut_until - now for load in loads), default=0.0))

    def _refuse(self, route: Route, wait_s: float) -> None:
        self._tally.provider[route.key, "limited"] += 1
        seconds = max(1, math.ceil(wait_s))
        raise ProviderLimitError(
            f"model {route.key!r}: its provider takes no more requests for {seconds} s (its limits "
            "are used up); try again then, or raise spec.external.limits",
            seconds,
        )

    def _gauge(self, route: Route) -> Gauge:
        terms = route.provider or NO_TERMS
        gauge = self._gauges.get(route.key)
        if gauge is None or not (gauge.terms is terms or gauge.terms == terms):
            gauge = self._gauges[route.key] = Gauge(terms, self._share, self._clock())
        return gauge
