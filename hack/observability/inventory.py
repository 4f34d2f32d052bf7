"""Every metric of operator, router and ledger, asked of the code itself."""

# ruff: noqa: SLF001 - the client library tells the labels of a metric without samples in no other way
from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import Metric

from tierwise_core.route_table import RouteTable
from tierwise_ledger.service.cost import _BudgetGauges, _Costs
from tierwise_ledger.service.metrics import LedgerMetrics
from tierwise_operator.metrics import Metrics
from tierwise_router.brain import Brain
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.exposition import Tallies
from tierwise_router.journal import Journal
from tierwise_router.settings import Settings
from tierwise_router.shipping_marks import Shipped
from tierwise_router.tally import Tally

__all__ = ["Described", "everything", "samples"]

OURS: Final = "tierwise_"


@dataclass(frozen=True, slots=True)
class Described:
    """One metric: where it comes from, its kind, what it tells, the labels of its series."""

    component: str
    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its series, as queries have them.

        >>> Described("router", "tierwise_router_retries", "counter", "").samples
        ('tierwise_router_retries_total',)
        """
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        return tuple(self.name + ending for ending in endings.get(self.kind, ("",)))


def everything() -> tuple[Described, ...]:
    """All of them, by component and in the order in which they are exposed."""
    router = asyncio.run(_router())
    own = _ledgers_own()
    costs = _families("ledger", [*_Costs([]).collect(), *_BudgetGauges([]).collect()])
    ledger = (*costs, *own)
    return (*router, *ledger, *_operator())


def samples(metrics: Iterable[Described]) -> dict[str, Described]:
    """Each metric by the names of its series."""
    return {name: one for one in metrics for name in one.samples}


async def _router() -> tuple[Described, ...]:
    dispatcher = Dispatcher.create(Settings())
    dispatcher.take(Brain.build(RouteTable.of([])))
    with tempfile.TemporaryDirectory() as folder:
        dispatcher.journal = Journal(Path(folder), "x", 1 << 20)
        Shipped().write(Path(folder))
        return tuple(_families("router", Tallies(dispatcher, Tally()).collect()))


def _families(component: str, families: Iterable[Metric]) -> Iterator[Described]:
    for family in families:
        labels = tuple(getattr(family, "_labelnames", ()))
        yield Described(component, family.name, family.type, family.documentation, labels)


def _ledgers_own() -> Iterator[Described]:
    return _made("ledger", LedgerMetrics().registry)


def _operator() -> Iterator[Described]:
    return _made("operator", Metrics().registry)


def _made(component: str, registry: CollectorRegistry) -> Iterator[Described]:
    for collector in registry._collector_to_names:
        made: Any = collector
        if not str(getattr(made, "_name", "")).startswith(OURS):
            continue  # of the process: the client library's own
        kind = "histogram" if isinstance(made, Histogram) else made._type
        name, text, labels = made._name, made._documentation, tuple(made._labelnames)
        yield Described(component, name, kind, f"{text.removesuffix('.')}.", labels)
