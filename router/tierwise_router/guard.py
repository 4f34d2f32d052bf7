"""What stands between requests and one Specialist: its breaker, its queue and its budgets."""

from __future__ import annotations

from math import ceil

import structlog

from tierwise_core.breaker import Breaker, BreakerState
from tierwise_core.fair_queue import FairQueue, Waiting
from tierwise_core.latency_class import rank
from tierwise_core.latency_quantile import RecentQuantiles
from tierwise_core.load_signal import LoadSignal
from tierwise_core.outliers import EndpointSample, room_to_eject, worst_endpoint
from tierwise_core.policy_resilience import ResiliencePolicy
from tierwise_core.retry_budget import ExtraBudget
from tierwise_core.route_table import Route
from tierwise_core.tenant import Admitted
from tierwise_router.balance import EndpointLoad, Siblings
from tierwise_router.errors import BreakerOpenError, OverloadedError
from tierwise_router.gate import Gate, ShedError
from tierwise_router.pressure import Pressure

__all__ = ["Guard"]

log = structlog.get_logger(__name__)

CLOSED = BreakerState.CLOSED


class Guard:
    """One Specialist's breaker, queue, budgets and endpoints, as one dispatcher sees them.

    Args:
        name: the Specialist, with the adapter if it is one's route.
        siblings: its endpoints.
        policy: how much it starts with.
        pressure: where everything is counted.
        now: the time of the clock that all methods are told.

    ``shown`` is where the requests in progress are counted for the pod's other dispatchers, None
    where nobody asks.
    """

    __slots__ = (
        "_pressure", "_told", "breaker", "gate", "hedges", "latencies", "name", "retries",
        "shown", "siblings", "slots",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        siblings: Siblings,
        policy: ResiliencePolicy,
        pressure: Pressure,
        now: float,
    ) -> None:
        self.name = name
        self.siblings = siblings
        self.breaker = Breaker()
        self.slots = 0
        self.shown: memoryview | None = None
        self.gate = Gate(FairQueue(0, 0))
        self.retries = ExtraBudget(saved=policy.retries.burst, now=now)
        self.hedges = ExtraBudget(saved=0.0, now=now)
        self.latencies = RecentQuantiles()
        self._pressure = pressure
        self._told = CLOSED
        siblings.sweep_at = now + policy.outliers.every_s

    def learn(self, siblings: Siblings, policy: ResiliencePolicy, dispatchers: int) -> None:
        """Take in other endpoints, or another policy."""
        siblings.sweep_at = self.siblings.sweep_at
        self.siblings = siblings
        rules = policy.queue.share(dispatchers)
        self.slots = int(rules.max_in_flight_per_endpoint * siblings.width)
        self.gate.resize(self.slots, rules.max_queued)
        self._show_ejected()

    def show(self) -> None:
        """Show the pod's other dispatchers how many requests are in progress here."""
        if self.shown is not None:
            self.shown[0] = self.gate.queue.in_flight

    def forget(self) -> None:
        """Show nothing any more: the Specialist is gone."""
        self._pressure.breakers.pop((self.name, str(self._told)), None)
        self._pressure.ejected.pop((self.name,), None)

    def signal(self) -> LoadSignal:
        """Tell how busy the Specialist is."""
        loads, queue = self.siblings.loads, self.gate.queue
        waiting, fullest = queue.waiting, None
        for load in loads:
            usage = load.engine.kv_usage
            if usage is not None:
                waiting += load.engine.waiting
                fullest = usage if fullest is None or usage > fullest else fullest
        available = self.breaker.state is not BreakerState.OPEN
        return LoadSignal(queue.in_flight, len(loads), waiting, fullest, available)

    # The Specialist.

    def check(self, now: float) -> None:
        """Let a request pass, unless the breaker is open; raises BreakerOpenError."""
        admitted = self.breaker.admits(now)
        self._tell()
        if not admitted:
            after_s = max(1, ceil(self.breaker.retry_after_s(now)))
            raise BreakerOpenError(
                f"model {self.name!r} kept failing and is left alone for now; its breaker lets a "
                f"request try again in {after_s} s",
                after_s,
            )

    async def wait(self, route: Route, admitted: Admitted, longest_s: float) -> None:
        """Wait until one of its endpoints takes another request; raises OverloadedError."""
        tenant, name = admitted.tenant, admitted.latency_class
        band = (rank(name), -admitted.priority)
        queued = self._pressure.queued
        labels = (admitted.tenant_key, name)
        queued[labels] += 1
        try:
            weight = tenant.weight if tenant is not None else 1
            await self.gate.wait(Waiting(admitted.tenant_key, band, weight), longest_s)
        except ShedError as shed:
            self._pressure.shed[*labels, f"specialist_{shed.reason}"] += 1
            waiting = self.gate.queue.waiting
            raise OverloadedError(
                f"model {route.title!r} has {self.slots} requests in progress and {waiting} "
                f"waiting here, as many as it may ({shed.reason}); try again later",
                self.gate.retry_after_s(waiting, self.slots),
            ) from None
        finally:
            queued[labels] -= 1

    def succeeded(self, ticket: int, now: float, policy: ResiliencePolicy) -> None:
        """Count a request that was answered."""
        if self.breaker.succeed(ticket, now, policy.breaker):
            self._tell()

    def failed(self, ticket: int, now: float, policy: ResiliencePolicy, source: str = "") -> None:
        """Count a request that nobody answered; ``source`` may have brought that about."""
        if self.breaker.fail(ticket, now, policy.breaker, source):
            self._pressure.opened[(self.name,)] += 1
            self._tell()

    def may_retry(self, now: float, policy: ResiliencePolicy) -> bool:
        """Take one retry out of the budget, if there is one."""
        rules = policy.retries
        if self.retries.withdraw(now, rules.floor_per_second, rules.burst):
            return True
        self._pressure.unpaid[(self.name,)] += 1
        return False

    def _tell(self) -> None:
        state, told = self.breaker.state, self._told
        if state is told:
            return
        self._told = state
        levels = self._pressure.breakers
        levels[self.name, str(told)] = 0
        levels[self.name, str(state)] = 1
        say = log.warning if state is BreakerState.OPEN else log.info
        say("breaker", specialist=self.name, state=str(state), was=str(told))

    # Its endpoints.

    def endpoint_succeeded(
        self, load: EndpointLoad, ticket: int, took_s: float, now: float, policy: ResiliencePolicy
    ) -> None:
        """Count an answer whose head came after ``took_s``, and compare the siblings at times."""
        load.failures = 0
        if load.breaker.succeed(ticket, now, policy.breaker):
            self._endpoint_back(load)
        load.sample.succeed(took_s)
        if now >= self.siblings.sweep_at:
            self._sweep(now, policy)

    def endpoint_unreachable(
        self, load: EndpointLoad, ticket: int, now: float, policy: ResiliencePolicy
    ) -> None:
        """Leave an endpoint out at once: no connection could be made."""
        self._pressure.failures[self.name, "unreachable"] += 1
        # Many requests fail at the same time; only the first one's failure is news. And there is
        # nobody else to ask where there is only one.
        if ticket == load.breaker.era and self._has_others(load):
            self._eject(load, now, policy, "unreachable")

    def endpoint_failed(  # noqa: PLR0913, PLR0917 - one failure of one endpoint
        self,
        load: EndpointLoad,
        ticket: int,
        now: float,
        policy: ResiliencePolicy,
        kind: str,
        source: str = "",
    ) -> None:
        """Count a failure, which may be one too many; ``source`` may have brought it about.

        In a row the failures of one source count once.
        """
        self._pressure.failures[self.name, kind] += 1
        if not source or source != load.failed_for:
            load.failures += 1
        load.failed_for = source
        load.sample.fail()
        if ticket != load.breaker.era:
            return
        if load.breaker.state is not CLOSED:
            # Of a probe that its own request may have broken the breaker asks for a second opinion.
            load.breaker.fail(ticket, now, policy.breaker, source)
        elif not self._has_room(load, policy):
            load.breaker.abandon(ticket)
        elif load.failures >= policy.outliers.consecutive_failures:
            self._eject(load, now, policy, "consecutive")
        elif load.breaker.fail(ticket, now, policy.breaker, source):
            self._endpoint_out(load, "share")

    def _has_others(self, load: EndpointLoad) -> bool:
        siblings = self.siblings
        sides = siblings.sides
        return len(siblings.peers(load)) > 1 or (sides is not None and load in sides.green)

    def _has_room(self, load: EndpointLoad, policy: ResiliencePolicy) -> bool:
        siblings = self.siblings
        if siblings.sides is not None:
            return siblings.sides.may_sit_out(load, policy.outliers)
        return room_to_eject(len(siblings.loads), siblings.out, policy.outliers)

    def _sweep(self, now: float, policy: ResiliencePolicy) -> None:
        """Compare the endpoints; a candidate is another model, and is no outlier among blue's."""
        siblings = self.siblings
        siblings.sweep_at = now + policy.outliers.every_s
        for loads in siblings.sides or (siblings.loads,):
            self._sweep_among(loads, now, policy)
        for load in siblings.loads:
            load.sample = EndpointSample()

    def _sweep_among(
        self, loads: tuple[EndpointLoad, ...], now: float, policy: ResiliencePolicy
    ) -> None:
        rules = policy.outliers
        running = {load.target.url: load for load in loads if load.breaker.state is CLOSED}
        samples = {url: load.sample for url, load in running.items()}
        url, why = worst_endpoint(samples, rules)
        if url and self._has_room(running[url], policy):
            reason = "slow" if why.startswith("first byte") else "failing"
            self._eject(running[url], now, policy, reason, least_s=rules.every_s, why=why)

    def _eject(  # noqa: PLR0913 - one endpoint, when, by which rules, and why
        self,
        load: EndpointLoad,
        now: float,
        policy: ResiliencePolicy,
        reason: str,
        *,
        least_s: float = 0.0,
        why: str = "",
    ) -> None:
        was_closed = load.breaker.state is CLOSED
        load.breaker.trip(now, policy.breaker, least_s)
        if was_closed:
            self._endpoint_out(load, reason, why)

    def _endpoint_out(self, load: EndpointLoad, reason: str, why: str = "") -> None:
        self._pressure.trips[self.name, reason] += 1
        self._show_ejected()
        log.warning(
            "endpoint left out", specialist=self.name, endpoint=load.target.url, reason=reason,
            **({"why": why} if why else {}),
        )  # fmt: skip

    def _endpoint_back(self, load: EndpointLoad) -> None:
        self._show_ejected()
        log.info("endpoint back", specialist=self.name, endpoint=load.target.url)

    def _show_ejected(self) -> None:
        out = self.siblings.out
        if out or (self.name,) in self._pressure.ejected:
            self._pressure.ejected[(self.name,)] = out

    def broke_off(self, load: EndpointLoad, now: float, policy: ResiliencePolicy) -> None:
        """Count an answer that ended early, after it had begun to reach its client."""
        self.endpoint_failed(load, load.breaker.era, now, policy, "died")
        self.failed(self.breaker.era, now, policy)
