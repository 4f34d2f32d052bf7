"""What a dispatcher counts of breakers, retries, hedges, queues and refusals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

__all__ = ["Pressure"]


class Pressure:
    """Counts, and levels of now, each by a tuple of labels.

    ``failures`` of endpoints by (specialist, kind), where the kind is unreachable, died, timeout or
    status-5xx. ``trips`` by (specialist, reason) are endpoints that were left out, ``opened`` by
    (specialist,) breakers of Specialists. ``hedges`` by (specialist, outcome): won or lost.
    ``unpaid`` by (specialist,) are retries that the budget did not allow. ``shed`` by (tenant,
    class, reason); ``waits`` and ``wait_s`` by (tenant, class). ``budgets`` by (tenant,
    outcome) are calls that a budget refused, or that were paid for while the ledger was away.

    Levels: ``breakers`` by (specialist, state), ``ejected`` by (specialist,), ``queued`` by
    (tenant, class).
    """

    COUNTS = (
        "failures",
        "trips",
        "opened",
        "hedges",
        "unpaid",
        "shed",
        "waits",
        "wait_s",
        "budgets",
    )
    LEVELS = ("breakers", "ejected", "queued")

    def __init__(self) -> None:
        self.failures: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.trips: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.opened: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.hedges: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.unpaid: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.shed: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.budgets: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.waits: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.wait_s: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self.breakers: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.ejected: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self.queued: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def dump(self) -> dict[str, Any]:
        """Turn it into JSON's types."""
        return {
            name: [[*labels, value] for labels, value in getattr(self, name).items()]
            for name in (*self.COUNTS, *self.LEVELS)
        }

    def add(self, dumped: Mapping[str, Any], *, alive: bool = True) -> None:
        """Add what :meth:`dump` made of another; whoever died takes its levels along.

        >>> mine, other = Pressure(), Pressure()
        >>> mine.failures["demo/sorter", "died"] = other.failures["demo/sorter", "died"] = 1
        >>> other.queued["", "batch"] = 3
        >>> mine.add(other.dump(), alive=False)
        >>> dict(mine.failures), dict(mine.queued)
        ({('demo/sorter', 'died'): 2}, {})
        """
        for name in (*self.COUNTS, *self.LEVELS) if alive else self.COUNTS:
            table = getattr(self, name)
            for *labels, value in dumped.get(name, ()):
                table[tuple(labels)] += value

    def metrics(self) -> Iterator[Metric]:
        """Give Prometheus' metric families."""
        counter: Callable[..., Metric] = CounterMetricFamily
        gauge: Callable[..., Metric] = GaugeMetricFamily
        families = (
            (counter, "upstream_failures", "Attempts at an endpoint that failed.",
             ("specialist", "kind"), self.failures),
            (counter, "endpoint_ejections", "Times that an endpoint was left out.",
             ("specialist", "reason"), self.trips),
            (counter, "breaker_opened", "Times that a Specialist's breaker opened.",
             ("specialist",), self.opened),
            (counter, "hedges", "Second attempts beside a slow first one: won or lost.",
             ("specialist", "outcome"), self.hedges),
            (counter, "retries_denied", "Retries that the budget did not allow.",
             ("specialist",), self.unpaid),
            (counter, "budget_outcomes",
             "Calls that a budget refused, or that were paid for while the ledger was away.",
             ("tenant", "outcome"), self.budgets),
            (counter, "shed", "Requests that were refused for load.",
             ("tenant", "latency_class", "reason"), self.shed),
            (counter, "queue_waits", "Requests that waited at the door.",
             ("tenant", "latency_class"), self.waits),
            (counter, "queue_wait_seconds", "How long they waited, all together.",
             ("tenant", "latency_class"), self.wait_s),
            (gauge, "breakers", "Dispatchers whose breaker of a Specialist is in that state.",
             ("specialist", "state"), self.breakers),
            (gauge, "endpoints_ejected", "Endpoints left out now, summed over dispatchers.",
             ("specialist",), self.ejected),
            (gauge, "queued_requests", "Requests that wait for a slot.",
             ("tenant", "latency_class"), self.queued),
        )  # fmt: skip
        for make, name, text, labels, table in families:
            family: Any = make(f"tierwise_router_{name}", text, labels=list(labels))
            for key, value in table.items():
                family.add_metric(list(key), value)
            yield family
