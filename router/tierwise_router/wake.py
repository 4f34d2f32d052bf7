"""Requests for a Specialist that sleeps: who waits for it, how long, and that it must wake.

A request is held in the dispatcher that took it, as one waiting task. All that leaves the process
is how many wait for whom; the watcher of the pod writes that into the Specialist's status, where
the operator sees it (docs/decisions/wake.md).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tierwise_core.errors import NoEndpointError
from tierwise_core.route_table import Route, RouteTable, WhenAsleep
from tierwise_router.errors import WakingError
from tierwise_router.tally import Tally

__all__ = ["Holds", "Progress", "Tell", "passes_over"]

Progress = Callable[[str], Awaitable[None]]
"""Says something to a client that waits; only a stream can be told anything before its answer."""

Tell = Callable[[Mapping[str, int]], Awaitable[None]]

TELL_EVERY_S = 1.0
NUDGE_S = 5.0
ARRIVES_S = 3.0


@dataclass(slots=True)
class _Held:
    """Those who wait for one Specialist, or for one of its adapters."""

    route: Route
    waiting: int = 0
    awake: asyncio.Event = field(default_factory=asyncio.Event)


class Holds:
    """The held requests of one dispatcher; lives in one event loop.

    Args:
        tally: where they are counted.
        limit: how many may be held at the same time; the next one is refused.
        progress_s: how often a stream is told that it still waits.
        arrives_s: how long a request waits for a pod that may be there already.
    """

    def __init__(
        self, tally: Tally, limit: int, progress_s: float, arrives_s: float = ARRIVES_S
    ) -> None:
        self._tally = tally
        self._limit = limit
        self._progress_s = progress_s
        self._arrives_s = arrives_s
        self._held: dict[str, _Held] = {}
        self._arriving: dict[str, _Held] = {}
        self._nudged: dict[str, float] = {}
        self._routes: Mapping[str, Route] = {}
        self._changed = asyncio.Event()

    def learn(self, table: RouteTable) -> None:
        """Take note of a new table, and let go of whom it brings a pod for."""
        self._routes = table.routes
        for title, held in list(self._held.items()):
            route, base = self._find(held.route), table.routes.get(held.route.key)
            if route is None or route.ready or base is None or base.sleep is None:
                held.awake.set()
                del self._held[title]
        for title, held in list(self._arriving.items()):
            route = self._find(held.route)
            if route is None or route.ready or not route.arrives:
                held.awake.set()
                del self._arriving[title]

    def nudge(self, key: str) -> None:
        """Wake a Specialist although nobody waits for it: the request went elsewhere."""
        self._nudged[key] = time.monotonic()
        self._changed.set()

    async def awake(self, route: Route, progress: Progress | None = None) -> Route:
        """Give the route as it is once it has a pod; at once, unless it sleeps.

        One that does not sleep and has none is given a moment: its status may tell of a pod already
        that the newest table here does not know, and who has read that status asks at once.

        Raises WakingError when it takes longer than the Specialist's ``holdTimeout``, or when too
        many wait already.
        """
        if route.endpoints:
            return route
        route = self._find(route) or route
        if route.sleep is None or not route.asleep:
            return await self._arrived(route) if route.arrives and not route.ready else route
        if sum(held.waiting for held in self._held.values()) >= self._limit:
            self._tally.holds[route.key, "refused"] += 1
            raise WakingError(
                f"model {route.key!r} is asleep, and {self._limit} requests wait already "
                "(TIERWISE_HELD_REQUESTS); try again in a moment"
            )
        return await self._hold(route, route.sleep.hold_timeout_seconds, progress)

    async def _arrived(self, route: Route) -> Route:
        """Give the route as it is once it has a pod, or unchanged after a moment."""
        held = self._arriving.setdefault(route.title, _Held(route))
        if sum(one.waiting for one in self._arriving.values()) < self._limit:
            held.waiting += 1
            try:
                async with asyncio.timeout(self._arrives_s):
                    await held.awake.wait()
            except TimeoutError:
                return route
            finally:
                held.waiting -= 1
        return self._find(route) or route

    async def _hold(self, route: Route, timeout_s: float, progress: Progress | None) -> Route:
        held = self._held.setdefault(route.title, _Held(route))
        began_at, outcome = time.perf_counter(), "left"
        held.waiting += 1
        self._tally.held[route.key] += 1
        self._changed.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait(held.awake, route, progress)
            outcome = "served"
        except TimeoutError:
            outcome = "timeout"
            raise WakingError(
                f"model {route.key!r} is still waking after {timeout_s:g} s "
                "(spec.placement.scaling.holdTimeout); try again, or see what keeps it: "
                f"`kubectl describe specialist -n {route.namespace} {route.name}`"
            ) from None
        finally:
            held.waiting -= 1
            self._tally.held[route.key] -= 1
            self._tally.holds[route.key, outcome] += 1
            self._tally.held_s[route.key].add(time.perf_counter() - began_at)
            self._changed.set()
        return self._current(route)

    async def _wait(self, awake: asyncio.Event, route: Route, progress: Progress | None) -> None:
        if progress is None:
            await awake.wait()
            return
        began_at = time.perf_counter()
        while not awake.is_set():
            await progress(f"waking {route.name}, {time.perf_counter() - began_at:.0f} s")
            try:
                async with asyncio.timeout(self._progress_s):
                    await awake.wait()
            except TimeoutError:
                continue

    def _find(self, route: Route) -> Route | None:
        """Find the same route in the newest table, an adapter's behind its Specialist."""
        found = self._routes.get(route.key)
        if found is None or not route.adapter:
            return found
        named = (one for one in found.adapters if one.name == route.adapter)
        return next((found.with_adapter(adapter) for adapter in named), None)

    def _current(self, route: Route) -> Route:
        found = self._find(route)
        if found is None:
            raise NoEndpointError(f"model {route.key!r} was deleted while the request waited")
        return found

    def waiting(self) -> dict[str, int]:
        """Count who waits for whom; where nobody does, a nudge counts as one for some seconds."""
        now = time.monotonic()
        self._nudged = {key: at for key, at in self._nudged.items() if now - at < NUDGE_S}
        counts: Counter[str] = Counter()
        for held in self._held.values():
            counts[held.route.key] += held.waiting
        nudged = {key: 1 for key in self._nudged if self._sleeps(key)}
        return nudged | {key: count for key, count in counts.items() if count}

    def _sleeps(self, key: str) -> bool:
        route = self._routes.get(key)
        return route is not None and route.asleep

    async def run(self, tell: Tell) -> None:
        """Tell for ever who waits: at once when somebody new does, then every second."""
        told: dict[str, int] = {}
        while True:
            waiting = self.waiting()
            if waiting or told:
                await tell(waiting)
            told = waiting
            if not waiting:
                await self._changed.wait()
            else:
                await asyncio.sleep(TELL_EVERY_S)
            self._changed.clear()


def passes_over(route: Route, wish: WhenAsleep | None) -> bool:
    """Say whether a request goes on without waiting for this one; the caller's wish comes first.

    >>> from tierwise_core.route_table import Sleep
    >>> sleeper = Route("demo", "sorter", "sorting", "sorter", sleep=Sleep("Escalate"))
    >>> passes_over(sleeper, None), passes_over(sleeper, "Hold")
    (True, False)
    """
    if route.sleep is None or not route.asleep:
        return False
    return (wish or route.sleep.when_asleep) == "Escalate"
