"""Sends what a Specialist's own replicas have no room for to its alternative.

The operator decides how many own replicas there are at most (docs/scaling.md); here each request
is compared with the room they have. The dispatchers of a pod count together, and every pod has its
share, so that the room is overstepped by at most a request for each dispatcher.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tierwise_core.cost import Usage
from tierwise_core.errors import TierwiseError
from tierwise_core.provider import NO_REQUIREMENTS
from tierwise_core.refusal import refusal
from tierwise_core.route_table import Overflow, Route, RouteTable
from tierwise_core.spending import call_usd
from tierwise_router.call import CHAT, COMPLETIONS, Call
from tierwise_router.dispatch import Dispatch
from tierwise_router.extent import about_prompt_tokens, output_tokens
from tierwise_router.requirements import requirements_for
from tierwise_router.shared_usage import SharedUsage
from tierwise_router.wake import Holds

__all__ = ["Bursts", "OverflowRefusedError", "Sent", "TellSent"]

TELL_EVERY_S: Final = 10.0


class Sent(NamedTuple):
    """What one dispatcher has sent elsewhere for a Specialist since it began."""

    requests: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0


TellSent = Callable[[Mapping[str, Sent]], Awaitable[None]]


class OverflowRefusedError(TierwiseError):
    """The alternative answered with an error; own replicas take the request after all."""


class Bursts:
    """Decides for each request whether it stays; lives in one event loop.

    Args:
        dispatch: knows how many requests own replicas have in progress.
        holds: wakes those who sleep.
        routers: how many pods share the room.
    """

    def __init__(self, dispatch: Dispatch, holds: Holds, routers: int = 1) -> None:
        self._dispatch = dispatch
        self._usage = SharedUsage()
        self._holds = holds
        self._routers = max(1, routers)
        self._routes: Mapping[str, Route] = {}
        self._sent: defaultdict[str, Sent] = defaultdict(Sent)

    def share(self, run_dir: str, process: int | None = None) -> None:
        """Count requests in progress together with the pod's other dispatchers."""
        directory = Path(run_dir) / "bursts"
        directory.mkdir(exist_ok=True)
        self._usage = SharedUsage(str(directory), process)
        self._show()

    def meet(self) -> None:
        """Take note of dispatchers that came or went; call it now and then."""
        self._usage.meet()

    def learn(self, table: RouteTable) -> None:
        """Take in a new table."""
        self._routes = table.routes
        self._show()

    def _show(self) -> None:
        bursting = [route for route in self._routes.values() if route.overflow is not None]
        self._usage.know(route.key for route in bursting)
        for route in bursting:
            guard, used = self._dispatch.guard(route), self._usage.of(route.key)
            guard.shown = used.own if used is not None else None
            guard.show()

    def elsewhere(self, route: Route, call: Call) -> Route | None:
        """Give who is to answer instead; None where the request stays.

        It stays when there is room, and when the alternative may not or cannot answer it: another
        kind of request, a tenant without leave, standards, region, context or price.
        """
        overflow = route.overflow
        if overflow is None or call.endpoint not in {CHAT, COMPLETIONS}:
            return None
        if self._has_room(route, overflow):
            return None
        other = self._routes.get(overflow.to)
        if other is None or not self._may(other, call):
            return None
        if overflow.wakes and route.asleep:
            self._holds.nudge(route.key)
        return other

    def note(self, key: str, usage: Usage | None) -> None:
        """Count a request that was answered elsewhere."""
        read, written = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
        sent = self._sent[key]
        self._sent[key] = Sent(
            sent.requests + 1, sent.prompt_tokens + read, sent.generated_tokens + written
        )

    @property
    def sent(self) -> Mapping[str, Sent]:
        """What was answered elsewhere, by the full name of whose request it was."""
        return dict(self._sent)

    async def run(self, tell: TellSent, every_s: float = TELL_EVERY_S) -> None:
        """Tell for ever what was sent, as long as it grows."""
        told: Mapping[str, Sent] = {}
        while True:
            await asyncio.sleep(every_s)
            if self._sent != told:
                told = self.sent
                await tell(told)

    def _has_room(self, route: Route, overflow: Overflow) -> bool:
        if not route.endpoints or not overflow.above:
            return False
        in_flight = self._dispatch.guard(route).gate.queue.in_flight
        used = self._usage.of(route.key)
        if used is not None:
            in_flight += used.in_flight_elsewhere()
        return in_flight < overflow.above / self._routers

    def _may(self, other: Route, call: Call) -> bool:
        tenant = call.admitted.tenant
        if not other.ready or (tenant is not None and not call.admitted.may_ask(other.key)):
            return False
        of_tenant = tenant.requirements if tenant is not None else NO_REQUIREMENTS
        if refusal(other, requirements_for(call.headers, of_tenant)):
            return False
        wanted = output_tokens(call)
        # A byte is a token at most, so that this needs no counting.
        if other.context_tokens and len(call.body) + wanted > other.context_tokens:
            return False
        ceiling = call.budget.limits.max_cost_usd if call.budget is not None else None
        if ceiling is None:
            return True
        expected = call_usd(other.price, about_prompt_tokens(call), wanted)
        return expected <= ceiling
