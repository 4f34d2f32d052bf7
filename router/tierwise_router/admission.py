"""Who may come in: knows tenants by their keys, keeps their limits, lets requests wait in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from math import ceil
from typing import Final

from tierwise_core.fair_queue import FairQueue, Waiting
from tierwise_core.latency_class import rank
from tierwise_core.policy_resilience import QueueRules
from tierwise_core.rate_ring import (
    count_request,
    current_slice,
    requests_counted,
    seconds_until_free,
)
from tierwise_core.route_table import RouteTable
from tierwise_core.tenant import ANYBODY, Admitted, TenantRoute
from tierwise_router.callers import CLASS_HEADER, KEPT_CLASSES, unknown_key, urgent
from tierwise_router.errors import OverloadedError, RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.gate import Gate, ShedError
from tierwise_router.inside import InProcessWork
from tierwise_router.shared_usage import SharedUsage
from tierwise_router.tally import Tally

__all__ = ["Admission", "Slot"]

LOOK_AGAIN_S: Final = 0.02


class Slot:
    """A request's place among those in progress; release it in every case, as often as you like.

    Without ``held_since`` it holds no place.
    """

    __slots__ = ("_admission", "_held_since", "_released", "admitted")

    def __init__(
        self, admission: Admission, admitted: Admitted, held_since: float | None = None
    ) -> None:
        self.admitted = admitted
        self._admission = admission
        self._held_since = held_since or 0.0
        self._released = held_since is None

    def release(self) -> None:
        """Give the place back: early, where a request waits for others of its own."""
        if not self._released:
            self._released = True
            self._admission.leave(self.admitted, self._held_since)


class Admission:
    """The door of one dispatcher.

    As long as there is no Tenant everybody may come in. A tenant beyond its own limits is told so
    with 429; when the router itself has too much, the least urgent requests are refused with 503.

    Args:
        tally: where refusals are counted.
        dispatchers: how many of them share the pod's limits.
        clock: seconds, monotonic, the same for all processes of the machine.
    """

    def __init__(
        self, tally: Tally, dispatchers: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pressure = tally.pressure
        self._dispatchers = dispatchers
        self._clock = clock
        self._rules = QueueRules().share(dispatchers)
        self._gate = Gate(
            FairQueue(self._rules.max_in_flight, self._rules.max_queued),
            self._is_blocked,
            self._publish,
        )
        self._by_digest: dict[str, Admitted] = {}
        self._by_name: dict[str, Admitted] = {}
        self._tenants: Mapping[str, TenantRoute] = {}
        self._usage = SharedUsage()
        self._looking: asyncio.TimerHandle | None = None

    def share(self, directory: str, process: int | None = None) -> None:
        """Count what tenants use together with the pod's other dispatchers."""
        self._usage = SharedUsage(directory, process)
        self._usage.know(self._limited())

    def meet(self) -> None:
        """Take note of dispatchers that came or went; call it now and then."""
        self._usage.meet()

    def learn(self, table: RouteTable) -> None:
        """Take in a new table: its tenants and limits count from the next request on."""
        self._tenants = table.tenants
        self._by_name = {key: Admitted(tenant) for key, tenant in table.tenants.items()}
        self._by_digest = {
            digest: admitted
            for key, admitted in sorted(self._by_name.items(), reverse=True)
            for digest in table.tenants[key].key_hashes
        }
        self._usage.know(self._limited())
        self._rules = rules = table.policy.resilience.queue.share(self._dispatchers)
        self._gate.resize(rules.max_in_flight, rules.max_queued)

    def _limited(self) -> list[str]:
        return [key for key, tenant in self._tenants.items() if tenant.limits.any]

    # Who it is.

    def identify(self, exchange: Exchange) -> Admitted:
        """Tell whose request it is and how urgent; raises RequestError (401, 400)."""
        key = latency_class = b""
        for name, value in exchange.headers:
            if name == b"authorization":
                key = value[7:] if value[:7].lower() == b"bearer " else key
            elif name == b"x-api-key":
                key = key or value
            elif name == CLASS_HEADER:
                latency_class = value
        admitted: Admitted | None = ANYBODY
        work = exchange.work()
        if work is not None:
            admitted = self._of_work(work)
            latency_class = work.latency_class.encode()
        elif self._tenants:
            # The digest, not the key, is looked up: how long that takes tells nothing of any key.
            admitted = self._by_digest.get(sha256(key.strip()).hexdigest())
        if admitted is None:
            raise unknown_key("the API key is not known here" if key else "no API key was given")
        return urgent(admitted, latency_class) if latency_class else admitted

    def _of_work(self, work: InProcessWork) -> Admitted:
        if not self._tenants:
            return ANYBODY
        known = self._by_name.get(work.tenant_key)
        if known is None:
            raise unknown_key(f"tenant {work.tenant_key!r} does not exist any more")
        return known

    # Whether it may come in now.

    async def enter(self, exchange: Exchange, *, keeps: bool = False, later: bool = False) -> Slot:
        """Let a request in, when its turn has come.

        One that will only be kept for later (``keeps`` says that this path can, and its header or
        ``later`` that it is) needs no place and waits for none: it is counted against its tenant's
        rate, and takes a place when it is run.
        Raises RequestError (400, 401, 429), OverloadedError, or ClientGoneError when its client
        has left while it waited.
        """
        admitted = self.identify(exchange)
        key, queue = admitted.tenant_key, self._gate.queue
        tenant = admitted.tenant
        kept = later or admitted.latency_class in KEPT_CLASSES
        if keeps and kept and exchange.work() is None:
            if tenant is not None:
                self._check_rate(admitted, tenant)
            return Slot(self, admitted)
        if tenant is not None and tenant.limits.any:
            self._check_rate(admitted, tenant)
            if queue.queued_by(key) or self._is_full(tenant) or not queue.take(key):
                await self._wait(exchange, admitted)
            self._publish(key)
        elif not queue.take(key):
            await self._wait(exchange, admitted)
        return Slot(self, admitted, self._clock())

    def leave(self, admitted: Admitted, held_since: float) -> None:
        """Take a request's place back, and let the next in."""
        key = admitted.tenant_key
        self._gate.leave(key, self._clock() - held_since)
        if key:
            self._publish(key)

    def _check_rate(self, admitted: Admitted, tenant: TenantRoute) -> None:
        limit = tenant.limits.requests_per_minute
        usage = self._usage.of(tenant.key)
        if limit is None or usage is None:
            return
        now, rings = self._clock(), usage.rings()
        place = current_slice(now)
        if requests_counted(rings, place) >= limit:
            raise self._too_much(
                admitted,
                "rate",
                f"{limit} requests per minute",
                seconds_until_free(rings, now, limit),
            )
        count_request(rings[0], place)

    def _is_full(self, tenant: TenantRoute) -> bool:
        limit = tenant.limits.max_concurrent
        if limit is None:
            return False
        usage = self._usage.of(tenant.key)
        elsewhere = 0 if usage is None else usage.in_flight_elsewhere()
        return self._gate.queue.held_by(tenant.key) + elsewhere >= limit

    def _is_blocked(self, waiting: Waiting) -> bool:
        tenant = self._tenants.get(waiting.tenant)
        return tenant is not None and self._is_full(tenant)

    async def _wait(self, exchange: Exchange, admitted: Admitted) -> None:
        tenant, gate, began_at = admitted.tenant, self._gate, self._clock()
        if tenant is not None:
            most = tenant.limits.max_queued
            if most is not None and gate.queue.queued_by(tenant.key) >= most:
                raise self._beyond_own(admitted, tenant)
        key, name = labels = (admitted.tenant_key, admitted.latency_class)
        weight = 1 if tenant is None else tenant.weight
        newcomer = Waiting(key, (rank(name), -admitted.priority), weight)
        pressure = self._pressure
        pressure.queued[labels] += 1
        self._look_later()
        try:
            if exchange.work() is None:
                with exchange.watch():
                    await gate.wait(newcomer, self._rules.max_wait_s)
            else:
                await gate.wait(newcomer, self._rules.max_wait_s)
        except ShedError as shed:
            if tenant is not None and self._is_full(tenant):
                raise self._beyond_own(admitted, tenant) from None
            raise self._overloaded(admitted, shed) from None
        finally:
            pressure.queued[labels] -= 1
            pressure.waits[labels] += 1
            pressure.wait_s[labels] += self._clock() - began_at

    def _beyond_own(self, admitted: Admitted, tenant: TenantRoute) -> RequestError:
        queue, limits = self._gate.queue, tenant.limits
        waiting, most = queue.queued_by(tenant.key), limits.max_concurrent or queue.slots
        what = f"{most} requests at a time, and {waiting} wait already"
        return self._too_much(
            admitted, "concurrency", what, self._gate.retry_after_s(waiting, most)
        )

    def _too_much(
        self, admitted: Admitted, reason: str, limit: str, after_s: float
    ) -> RequestError:
        self._pressure.shed[admitted.tenant_key, admitted.latency_class, f"tenant_{reason}"] += 1
        seconds = max(1, ceil(after_s))
        return RequestError(
            f"tenant {admitted.tenant_key!r} may make {limit} (spec.limits); try again in "
            f"{seconds} s",
            status=429,
            code="rate_limit_exceeded",
            headers=((b"retry-after", b"%d" % seconds),),
        )

    def _overloaded(self, admitted: Admitted, shed: ShedError) -> OverloadedError:
        labels = (admitted.tenant_key, admitted.latency_class)
        self._pressure.shed[(*labels, f"router_{shed.reason}")] += 1
        queue = self._gate.queue
        return OverloadedError(
            f"the router has {queue.in_flight} requests in progress and {queue.waiting} waiting, "
            f"as many as it may ({shed.reason}); try again later",
            self._gate.retry_after_s(queue.waiting, queue.slots),
        )

    # What the pod's other dispatchers know.

    def _publish(self, key: str) -> None:
        usage = self._usage.of(key)
        if usage is not None:
            usage.own[0] = self._gate.queue.held_by(key)

    def _look_later(self) -> None:
        """Look again soon: of a place that another dispatcher gives back nobody tells us."""
        if self._looking is None and self._usage.shared:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(LOOK_AGAIN_S, self._look)

    def _look(self) -> None:
        self._looking = None
        self._gate.serve()
        if self._gate.queue.waiting:
            self._look_later()
