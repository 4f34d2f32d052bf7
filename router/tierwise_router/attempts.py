"""One attempt at one endpoint, or two beside each other, and who is to blame when it fails."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from tierwise_core.breaker import BreakerState
from tierwise_core.errors import NoEndpointError
from tierwise_core.policy_resilience import ResiliencePolicy, Timeouts
from tierwise_core.route_table import Route
from tierwise_router.balance import Balancer, EndpointLoad
from tierwise_router.engine_load import ASK_LOAD, without_report
from tierwise_router.errors import (
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from tierwise_router.guard import Guard
from tierwise_router.lease import Ask, Lease
from tierwise_router.pressure import Pressure
from tierwise_router.racing import race
from tierwise_router.upstream.client import UpstreamClient
from tierwise_router.upstream.response import Response

__all__ = ["AdapterAbsentError", "Attempts", "PassedOverError", "source_of_failure"]

NOT_FOUND: Final = 404
FIRST_SERVER_ERROR: Final = 500
GATEWAY_STATUSES: Final = frozenset({502, 503})
STATUSES_OF_PODS: Final = frozenset({502, 503, 504})
HEDGE_AFTER_ANSWERS: Final = 20
CLOSED: Final = BreakerState.CLOSED


def source_of_failure(asked: Ask, status: int) -> str:
    """Name who may have brought a status about; empty for one that a pod gives by itself."""
    return "" if status in STATUSES_OF_PODS else asked.source


class AdapterAbsentError(Exception):
    """A pod does not have the adapter after all: it was restarted, or somebody unloaded it.

    Nothing is wrong with the pod, which goes on serving its base.
    """


class PassedOverError(Exception):
    """A pod is alive and takes no requests now; another one is to be asked."""

    def __init__(self, status: int, endpoint: str) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.endpoint = endpoint


class Attempts:
    """Makes attempts. ``policy`` and ``times`` are replaced when the table changes."""

    def __init__(self, client: UpstreamClient, balancer: Balancer, pressure: Pressure) -> None:
        self._client = client
        self._balancer = balancer
        self._clock = balancer.clock
        self._pressure = pressure
        self._policy = ResiliencePolicy()
        self._times: dict[tuple[str, str], Timeouts] = {}

    def learn(self, policy: ResiliencePolicy) -> None:
        """Take in a new policy."""
        self._policy = policy
        self._times = {}

    async def one(
        self, route: Route, load: EndpointLoad, asked: Ask, guard: Guard, *, is_last: bool
    ) -> Lease:
        """Ask one endpoint and wait for as much of its answer as is to be held back.

        Unless it is the last, an endpoint that is not ready is passed over, as long as the budget
        of retries lasts. Raises UpstreamError, AdapterAbsentError or PassedOverError.
        """
        if asked.budget is not None:
            asked.budget.take_call()
        several = len(guard.siblings.loads) > 1
        began_at = self._clock()
        breaker, policy = load.breaker, self._policy
        ticket = breaker.era if breaker.state is CLOSED else breaker.begin()
        load.in_flight += 1
        lease: Lease | None = None
        try:
            if several or policy.timeout_overrides:
                response = await self._send(route, load, asked, began_at, several=several)
            else:
                response = await self._client.send(
                    load.target, asked.path, asked.headers, asked.body, policy.timeouts
                )
            lease = Lease(route, load, response)
            headed_at = lease.headed_at = self._clock()
            if route.adapter and response.status == NOT_FOUND:
                raise AdapterAbsentError  # noqa: TRY301 - one place gives everything back
            if not is_last and response.status in GATEWAY_STATUSES:
                self._pass_over(asked, guard, response, load)
            if not response.complete:
                await response.settle(asked.hold_bytes)
        except BaseException as error:
            if lease is None:
                load.in_flight -= 1
            else:
                lease.release()
            self._blame(guard, load, ticket, error)
            raise
        if response.status >= FIRST_SERVER_ERROR:
            kind, source = f"status-{response.status}", source_of_failure(asked, response.status)
            guard.endpoint_failed(load, ticket, headed_at, policy, kind, source)
        elif several or breaker.state is not CLOSED:
            took_s = headed_at - began_at
            guard.endpoint_succeeded(load, ticket, took_s, headed_at, policy)
        return lease

    async def _send(
        self, route: Route, load: EndpointLoad, asked: Ask, now: float, *, several: bool
    ) -> Response:
        times = self._policy.timeouts
        if self._policy.timeout_overrides:
            times = self._overridden(route.key, asked.admitted.latency_class)
        if not several or route.external or not load.engine.asks(now):
            return await self._client.send(
                load.target, asked.path, asked.headers, asked.body, times
            )
        headers = [*asked.headers, ASK_LOAD]
        response = await self._client.send(load.target, asked.path, headers, asked.body, times)
        load.engine.learn(response.headers, now)
        response.headers = without_report(response.headers)
        return response

    def _overridden(self, specialist: str, latency_class: str) -> Timeouts:
        times = self._times.get((specialist, latency_class))
        if times is None:
            times = self._policy.timeouts_for(specialist, latency_class)
            self._times[specialist, latency_class] = times
        return times

    def _pass_over(self, asked: Ask, guard: Guard, response: Response, load: EndpointLoad) -> None:
        if asked.idempotent and guard.may_retry(self._clock(), self._policy):
            raise PassedOverError(response.status, load.target.url)

    def _blame(self, guard: Guard, load: EndpointLoad, ticket: int, error: BaseException) -> None:
        """Count what ended an attempt against its endpoint, as far as that is to blame."""
        now, policy = self._clock(), self._policy
        if isinstance(error, UpstreamError):
            error.endpoint = load.target.url
        if isinstance(error, UpstreamUnreachableError):
            guard.endpoint_unreachable(load, ticket, now, policy)
        elif isinstance(error, UpstreamError):
            kind = "timeout" if isinstance(error, UpstreamTimeoutError) else "died"
            guard.endpoint_failed(load, ticket, now, policy, kind)
        elif isinstance(error, PassedOverError):
            guard.endpoint_failed(load, ticket, now, policy, f"status-{error.status}")
        else:
            load.breaker.abandon(ticket)

    async def hedged(  # noqa: PLR0913 - an attempt, and what was tried before it
        self,
        route: Route,
        load: EndpointLoad,
        asked: Ask,
        guard: Guard,
        tried: list[EndpointLoad],
        *,
        is_last: bool,
    ) -> Lease:
        """Ask one endpoint, and a second one beside it when the first is slower than most.

        The second one does the same work as the first, and is added to ``tried``.
        """
        rules, recent, before = self._policy.hedging, guard.latencies, len(tried)

        def second() -> Coroutine[Any, Any, Lease] | None:
            if recent.seen < HEDGE_AFTER_ANSWERS:
                return None
            try:
                peers = guard.siblings.peers(load)
                other = self._balancer.pick(route, tried=tuple(tried), among=peers)
            except NoEndpointError:
                return None
            if not guard.hedges.withdraw(self._clock(), 0.0, 1.0):
                return None
            tried.append(other)
            return self.one(route, other, asked, guard, is_last=True)

        guard.hedges.deposit(rules.budget_share, 1.0)
        delay_s = max(rules.least_delay_s, recent.quantile(rules.quantile))
        began_at = self._clock()
        first = self.one(route, load, asked, guard, is_last=is_last)
        lease = await race(first, second, delay_s, Lease.release)
        recent.add(lease.headed_at - began_at)
        if len(tried) > before:
            outcome = "lost" if lease.load is load else "won"
            self._pressure.hedges[route.key, outcome] += 1
        return lease
