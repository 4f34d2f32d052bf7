"""Sends a request to one of a Specialist's pods, and to another when that one fails first."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from tierwise_core.breaker import BreakerState
from tierwise_core.errors import NoEndpointError
from tierwise_core.expected_price import expected_nano_usd
from tierwise_core.load_signal import LoadSignal
from tierwise_core.policy_resilience import ResiliencePolicy
from tierwise_core.route_table import Route, RouteTable
from tierwise_router.attempts import Attempts, source_of_failure
from tierwise_router.balance import Balancer, no_endpoint
from tierwise_router.errors import UpstreamError
from tierwise_router.guard import Guard
from tierwise_router.lease import WHOLE_BYTES, Ask, CallPurse, Lease
from tierwise_router.permission import check_permission
from tierwise_router.pod_scoring import PodScoring
from tierwise_router.providers import ProviderLimits
from tierwise_router.secret_files import SecretFiles
from tierwise_router.tally import Tally
from tierwise_router.tries import Tries
from tierwise_router.upstream.client import UpstreamClient

__all__ = ["WHOLE_BYTES", "Ask", "Dispatch", "Lease", "SecretFiles"]

FIRST_SERVER_ERROR: Final = 500
CLOSED: Final = BreakerState.CLOSED
KNOWN_ROUTES: Final = 4096


class Dispatch:
    """The way to the pods: waits for room, picks, sends, retries.

    A pod that refuses, resets or answers 502 or 503 before anything reached the client is
    replaced by another one, as far as attempts and budget reach; so is one that has lost an
    adapter. Time-outs are not retried: the pod may still be working, and a second one would then
    do the same work. What fails again and again is left alone for a while (docs/resilience.md).

    ``loads`` tells how busy each Specialist is, by its full name: a view, not a copy.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its parts
        self,
        client: UpstreamClient,
        balancer: Balancer,
        tally: Tally,
        secrets: Mapping[tuple[str, str], str] | SecretFiles,
        dispatchers: int = 1,
        provider_share: int = 1,
    ) -> None:
        self._balancer = balancer
        self._clock = balancer.clock
        self._tally = tally
        self._secrets = secrets
        self._dispatchers = dispatchers
        attempts = Attempts(client, balancer, tally.pressure)
        self._tries = Tries(attempts, balancer, tally.retries)
        self._guards: dict[str, Guard] = {}
        self._known: dict[int, tuple[Route, Guard]] = {}
        self._policy = ResiliencePolicy()
        self._limits = ProviderLimits(balancer, tally, provider_share)
        self.loads: Mapping[str, LoadSignal] = _Loads(self._guards)

    def learn(self, table: RouteTable) -> None:
        """Take in a new table: its policy counts from the next request on."""
        self._policy = policy = table.policy.resilience
        self._tries.learn(table)
        self._known.clear()
        self._limits.learn(table)
        queue = policy.queue.share(self._dispatchers)
        self._balancer.most_in_flight = queue.max_in_flight_per_endpoint
        self._balancer.affinity = policy.affinity
        self._balancer.scoring = PodScoring.of(table.policy.decision.scorers)
        for title, guard in list(self._guards.items()):
            route = table.routes.get(title) or table.adapters.get(title)
            if route is None:
                guard.forget()
                del self._guards[title]
            else:
                guard.learn(self._balancer.siblings(route), policy, self._dispatchers)

    def ask(self, route: Route, asked: Ask) -> Coroutine[Any, Any, Lease]:
        """Send a request and wait for an answer of which ``hold_bytes`` (or all) have arrived.

        Raises NoEndpointError when the Specialist has no pod, its subclasses BreakerOpenError and
        OverloadedError when it is left alone, ProviderLimitError when a provider's limits are
        used up, the UpstreamError of the last attempt, or what the request's purse does where
        its tenant's budgets do not cover the call.
        """
        admitted = asked.admitted
        if admitted.tenant is not None:
            check_permission(admitted, route.key)
        if route.secret is not None:
            asked = self._authorised(route, asked)
        if not route.endpoints:
            raise no_endpoint(route)
        if asked.budget is not None and (purse := asked.budget.purse) is not None:
            return self._ask_covered(route, asked, purse)
        if route.provider is not None:
            return self._limits.through(route, asked, self._ask)
        return self._ask(route, asked)

    async def _ask_covered(self, route: Route, asked: Ask, purse: CallPurse) -> Lease:
        await purse.cover(expected_nano_usd(route.price, asked.body))
        if route.provider is not None:
            return await self._limits.through(route, asked, self._ask)
        return await self._ask(route, asked)

    async def _ask(self, route: Route, asked: Ask) -> Lease:
        admitted = asked.admitted
        guard = self._guard(route)
        came_at = now = self._clock()
        if guard.breaker.state is not CLOSED:
            guard.check(now)
        tenant = admitted.tenant_key
        if not guard.gate.queue.take(tenant):
            await guard.wait(route, admitted, self._policy.queue.max_wait_s)
            now = self._clock()
        if guard.shown is not None:
            guard.show()
        ticket = -1
        try:
            if guard.breaker.state is not CLOSED:  # it may have opened while the request waited
                guard.check(now)
            ticket = guard.breaker.begin()
            lease = await self._tries.ask(route, asked, guard)
        except BaseException as error:
            self._gave_up(guard, ticket, asked, error)
            guard.gate.leave(tenant, self._clock() - now)
            guard.show()
            raise
        lease.guard, lease.tenant, lease.held_since = guard, tenant, now
        lease.queued_s = now - came_at
        lease.on_release = self._released
        if lease.response.status < FIRST_SERVER_ERROR:
            guard.succeeded(ticket, lease.headed_at, self._policy)
        elif asked.unseen:
            guard.breaker.abandon(ticket)
        else:
            source = source_of_failure(asked, lease.response.status)
            guard.failed(ticket, lease.headed_at, self._policy, source)
        return lease

    def _gave_up(self, guard: Guard, ticket: int, asked: Ask, error: BaseException) -> None:
        if isinstance(error, UpstreamError) and not asked.unseen:
            guard.failed(ticket, self._clock(), self._policy)
        else:
            guard.breaker.abandon(ticket)

    def _released(self, lease: Lease) -> None:
        guard, now = lease.guard, self._clock()
        if guard is not None:
            guard.gate.leave(lease.tenant, now - lease.held_since)
            if guard.shown is not None:
                guard.show()
            if lease.response.failed:
                guard.broke_off(lease.load, now, self._policy)

    def guard(self, route: Route) -> Guard:
        """Give what stands between requests and a Specialist."""
        return self._guard(route)

    def _guard(self, route: Route) -> Guard:
        # The route is nearly always the very object that it was the last time.
        known = self._known.get(id(route))
        if known is not None and known[0] is route:
            return known[1]
        guard = self._find_guard(route)
        if len(self._known) >= KNOWN_ROUTES:
            self._known.clear()
        self._known[id(route)] = (route, guard)
        return guard

    def _find_guard(self, route: Route) -> Guard:
        guard = self._guards.get(route.title)
        if guard is None:
            siblings = self._balancer.siblings(route)
            guard = Guard(route.title, siblings, self._policy, self._tally.pressure, self._clock())
            guard.learn(siblings, self._policy, self._dispatchers)
            self._guards[route.title] = guard
        elif guard.siblings.endpoints is not route.endpoints:
            guard.learn(self._balancer.siblings(route), self._policy, self._dispatchers)
        return guard

    def _authorised(self, route: Route, asked: Ask) -> Ask:
        key = b"Bearer " + self._secret(route).encode()
        return replace(asked, headers=[*asked.headers, (b"authorization", key)])

    def _secret(self, route: Route) -> str:
        name, key = route.secret or ("", "")
        try:
            return self._secrets[name, key]
        except KeyError:
            raise NoEndpointError(
                f"model {route.key!r} needs key {key!r} of Secret {name!r}, which is not mounted "
                "here; add it to the chart's router.externalSecrets (or to --secrets-dir)"
            ) from None


class _Loads(Mapping[str, LoadSignal]):
    """The load of each Specialist that was asked since the table brought it."""

    def __init__(self, guards: Mapping[str, Guard]) -> None:
        self._guards = guards

    def __getitem__(self, key: str) -> LoadSignal:
        return self._guards[key].signal()

    def get(self, key: str, default: Any = None) -> Any:
        guard = self._guards.get(key)
        return default if guard is None else guard.signal()

    def __iter__(self) -> Iterator[str]:
        return iter(self._guards)

    def __len__(self) -> int:
        return len(self._guards)
