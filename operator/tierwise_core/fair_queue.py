"""Who goes first where more requests come than can be served.

The most urgent band goes first: the latency class, then the tenant's priority. Within a band the
tenants share in the ratio of their weights: the next one is always who had the least service for
its weight since requests began to wait, counting what it has in flight. A finished request counts
as its slot was held: 1 for the usual time, more for a longer one, so that a tenant gains nothing
by long requests. Within a tenant the first to come is the first to go.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Band", "FairQueue", "Waiting"]

Band = tuple[int, int]
"""The rank of a latency class, and the negated priority of a tenant: the smaller, the sooner."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that waits."""

    tenant: str
    band: Band = (0, 0)
    weight: int = 1


def _nobody_blocked(_waiting: Waiting) -> bool:
    return False


class FairQueue:
    """Slots that are taken and given back, and those who wait for one.

    ``slots`` and ``length`` may be changed at any time. Two slots, of which one tenant has taken
    both; of three who wait the other tenant goes first:

    >>> queue = FairQueue(slots=2, length=10)
    >>> queue.take("a"), queue.take("a"), queue.take("a")
    (True, True, False)
    >>> [queue.wait(Waiting(tenant)) for tenant in "aab"]
    [None, None, None]
    >>> queue.give_back("a")
    >>> queue.next().tenant
    'b'
    """

    __slots__ = (
        "_bands", "_held", "_queued", "_reached", "_spent", "in_flight", "length", "slots",
        "waiting",
    )  # fmt: skip

    def __init__(self, slots: int, length: int) -> None:
        self.slots = slots
        self.length = length
        self.in_flight = 0
        self.waiting = 0
        self._held: dict[str, int] = {}
        self._queued: Counter[str] = Counter()
        self._bands: dict[Band, dict[str, dict[Waiting, None]]] = {}
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._reached = 0.0

    def held_by(self, tenant: str) -> int:
        """Count the slots that a tenant has."""
        return self._held.get(tenant, 0)

    def queued_by(self, tenant: str) -> int:
        """Count a tenant's requests that wait."""
        return self._queued.get(tenant, 0)

    def take(self, tenant: str) -> bool:
        """Take a slot if one is free.

        While slots are free, whoever waits does so for a limit of its own: nobody is overtaken
        but the tenant itself, which the caller asks for by :meth:`queued_by`.
        """
        if self.in_flight >= self.slots:
            return False
        self.in_flight += 1
        self._held[tenant] = self._held.get(tenant, 0) + 1
        return True

    def give_back(self, tenant: str, cost: float = 1.0) -> None:
        """Give a slot back; :meth:`next` tells who gets it.

        ``cost`` is how long it was held, in usual requests.
        """
        self.in_flight -= 1
        if self.waiting:
            self._spent[tenant] += cost
        left = self._held[tenant] - 1
        if left:
            self._held[tenant] = left
        else:
            del self._held[tenant]  # tenants come and go; their zeros would stay

    def wait(self, newcomer: Waiting) -> Waiting | None:
        """Let a request wait; gives who must go for that, which may be the newcomer itself.

        In a full queue the least urgent band loses its latest request first; in one band, the
        tenant with the most waiting requests for its weight.
        """
        victim = self._victim(newcomer) if self.waiting >= self.length else None
        if victim is newcomer:
            return newcomer
        if victim is not None:
            self.forget(victim)
        band = self._bands.setdefault(newcomer.band, defaultdict(dict))
        if newcomer.tenant not in self._queued:
            # Who asked for nothing so far has no claim on what others got in the meantime.
            held = self._held.get(newcomer.tenant, 0)
            least = self._reached * newcomer.weight - held
            self._spent[newcomer.tenant] = max(self._spent[newcomer.tenant], least, 0.0)
        band[newcomer.tenant][newcomer] = None
        self._queued[newcomer.tenant] += 1
        self.waiting += 1
        return victim

    def forget(self, gone: Waiting) -> None:
        """Take a request out that does not wait any more."""
        band = self._bands[gone.band]
        del band[gone.tenant][gone]
        if not band[gone.tenant]:
            del band[gone.tenant]
        if not band:
            del self._bands[gone.band]
        self._queued[gone.tenant] -= 1
        if not self._queued[gone.tenant]:
            del self._queued[gone.tenant]
        self.waiting -= 1
        if not self.waiting:
            self._spent.clear()
            self._reached = 0.0

    def next(self, blocked: Callable[[Waiting], bool] = _nobody_blocked) -> Waiting | None:
        """Give a free slot to who is next, and tell who that is; None when nobody may go.

        ``blocked`` tells who is kept by a limit of its tenant's own.
        """
        if self.in_flight >= self.slots:
            return None
        for name in sorted(self._bands):
            band = self._bands[name]
            heads = [next(iter(queue)) for queue in band.values()]
            ready = [head for head in heads if not blocked(head)]
            if ready:
                chosen = min(ready, key=self._served)
                self._reached = max(self._reached, self._served(chosen))
                # Of equals the first counts: behind the others with who had its turn.
                band[chosen.tenant] = band.pop(chosen.tenant)
                self.forget(chosen)
                self.take(chosen.tenant)
                return chosen
        return None

    def _served(self, head: Waiting) -> float:
        return (self._spent[head.tenant] + self._held.get(head.tenant, 0)) / head.weight

    def _victim(self, newcomer: Waiting) -> Waiting:
        last = max(self._bands, default=newcomer.band)
        if last < newcomer.band or not self._bands:
            return newcomer
        queues = self._bands[last].values()
        longest = max(queues, key=lambda queue: len(queue) / _latest(queue).weight)
        victim = _latest(longest)
        if last == newcomer.band:
            own = len(self._bands[last].get(newcomer.tenant, ())) + 1
            if len(longest) / victim.weight <= own / newcomer.weight:
                return newcomer
        return victim


def _latest(queue: dict[Waiting, None]) -> Waiting:
    return next(reversed(queue))
