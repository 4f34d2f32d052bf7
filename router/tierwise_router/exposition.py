"""``/metrics``: the tallies of a pod's dispatchers, added up, in Prometheus' text format."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar

from tierwise_router.dispatcher import Dispatcher
from tierwise_router.learning.metrics import learned_metrics
from tierwise_router.shipping_metrics import note_losses, shipping_metrics
from tierwise_router.tally import DURATION_BOUNDS_S, Durations, Tally
from tierwise_router.tally import Exemplar as Kept

__all__ = ["Tallies", "exposition", "leave_tally"]

PLAIN: Final = CONTENT_TYPE_LATEST.encode()
OPEN: Final = openmetrics.CONTENT_TYPE_LATEST.encode()


def exposition(dispatcher: Dispatcher, accept: bytes = b"") -> tuple[bytes, bytes]:
    """Write the metrics of this pod, and name the format: OpenMetrics for who asks for that.

    Other dispatchers' counts are at most a second old. Exemplars are in OpenMetrics only: the older
    text format has no place for them.
    """
    registry = CollectorRegistry()
    registry.register(Tallies(dispatcher, total(dispatcher)))
    if b"application/openmetrics-text" in accept:
        return bytes(openmetrics.generate_latest(registry)), OPEN  # type: ignore[no-untyped-call]
    return generate_latest(registry), PLAIN


def leave_tally(dispatcher: Dispatcher) -> None:
    """Leave our counts where the pod's other dispatchers find them, whole or not at all."""
    path = Path(dispatcher.tally_files) / f"{os.getpid()}.json"
    fresh = path.with_suffix(".new")
    note_losses(dispatcher.journal, dispatcher.contents, dispatcher.tally)
    fresh.write_bytes(orjson.dumps(dispatcher.tally.dump()))
    fresh.replace(path)


def total(dispatcher: Dispatcher) -> Tally:
    """Add up what every dispatcher of the pod counted, those that are gone included."""
    summed = Tally()
    note_losses(dispatcher.journal, dispatcher.contents, dispatcher.tally)
    summed.add(dispatcher.tally.dump())
    if not dispatcher.tally_files:
        return summed
    for path in Path(dispatcher.tally_files).glob("*.json"):
        if path.stem != str(os.getpid()):
            left = orjson.loads(path.read_bytes())
            if not Path(f"/proc/{path.stem}").exists():
                left |= {
                    "in_flight": 0,
                    "held": [],
                    "alive": False,
                }  # who died takes its requests along
            summed.add(left)
    return summed


class Tallies(Collector):
    """A tally and the state of its dispatcher, as Prometheus' metric families."""

    def __init__(self, dispatcher: Dispatcher, tally: Tally) -> None:
        self._dispatcher = dispatcher
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        """Yield every family, those without a sample included."""
        tally = self._tally
        yield _counter(
            "tierwise_router_requests", "Requests answered, by HTTP status (499: client left).",
            ["endpoint", "model", "specialist", "status"], tally.requests,
        )  # fmt: skip
        yield _counter(
            "tierwise_router_side_requests",
            "Requests answered while a rollout divides them, by the side that was asked last.",
            ["specialist", "side", "status"], tally.sides,
        )  # fmt: skip
        yield _counter(
            "tierwise_router_escalations",
            "Who was passed over for whom: below_floor, failed, or why it was never asked.",
            ["from", "to", "reason"], tally.escalations,
        )  # fmt: skip
        singles = {(name,): value for name, value in tally.retries.items()}
        yield _counter(
            "tierwise_router_retries", "Attempts at an endpoint that failed before answering.",
            ["specialist"], singles,
        )  # fmt: skip
        costs = {(name,): value for name, value in tally.cost_usd.items()}
        yield _counter(
            "tierwise_router_cost_usd", "What the answers cost, in USD.", ["specialist"], costs
        )
        yield _histogram(
            "tierwise_router_first_byte_seconds", "Wait for an engine's first byte.",
            tally.first_byte,
        )  # fmt: skip
        yield _histogram(
            "tierwise_router_request_duration_seconds", "From request to the answer's last byte.",
            tally.durations, tally.exemplars,
        )  # fmt: skip
        yield _counter(
            "tierwise_router_shadow_comparisons",
            "Answers given a second time, unseen: agree, disagree, failed, left_out, not_compared.",
            ["shadow", "outcome"], tally.comparisons,
        )  # fmt: skip
        yield _counter(
            "tierwise_router_verdicts",
            "Answers judged after they had gone out: passed, refused, silent, left_out.",
            ["specialist", "outcome"], tally.verdicts,
        )  # fmt: skip
        shadow_usd = {(name,): value for name, value in tally.comparison_usd.items()}
        yield _counter(
            "tierwise_router_shadow_cost_usd", "What shadows cost, in USD.", ["shadow"], shadow_usd
        )
        yield _counter(
            "tierwise_router_streams", "Streams of cascades that were judged as they came.",
            ["specialist", "outcome"], tally.streams,
        )  # fmt: skip
        traces = {(outcome,): count for outcome, count in tally.traces.items()}
        yield _counter(
            "tierwise_router_trace_spans",
            "Spans sent to the collector or refused by it, and requests dropped before.",
            ["outcome"], traces,
        )  # fmt: skip
        yield from self._tally.pressure.metrics()
        yield from self._providers()
        yield from self._holds()
        journal = self._dispatcher.journal
        yield from shipping_metrics(journal.directory if journal else None, tally.journal_lost)
        yield from self._state()

    def _holds(self) -> Iterator[Metric]:
        tally = self._tally
        held = GaugeMetricFamily(
            "tierwise_router_held_requests", "Requests that wait for a Specialist to wake.",
            labels=["specialist"],
        )  # fmt: skip
        for name, count in tally.held.items():
            held.add_metric([name], count)
        yield held
        yield _counter(
            "tierwise_router_holds", "Requests that waited for a Specialist to wake, by outcome.",
            ["specialist", "outcome"], tally.holds,
        )  # fmt: skip
        yield _histogram("tierwise_router_hold_seconds", "How long they waited.", tally.held_s)

    def _providers(self) -> Iterator[Metric]:
        yield _counter(
            "tierwise_router_provider_limits", "What providers' rate limits did to requests.",
            ["specialist", "outcome"], self._tally.provider,
        )  # fmt: skip
        left = GaugeMetricFamily(
            "tierwise_router_provider_days_left",
            "Days until a provider no longer serves the model; 0 or below: it has ended.",
            labels=["specialist"],
        )
        brain = self._dispatcher.brain
        today = datetime.now(tz=UTC).date()
        for key, route in brain.table.routes.items() if brain is not None else ():
            days = route.provider.days_left(today) if route.provider is not None else None
            if days is not None:
                left.add_metric([key], days)
        yield left

    def _state(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "tierwise_router_requests_in_flight", "Requests in progress.", self._tally.in_flight
        )
        brain = self._dispatcher.brain
        version = GaugeMetricFamily(
            "tierwise_router_table_info", "The route table in use.", labels=["version"]
        )
        version.add_metric([brain.table.version if brain else ""], 1)
        yield version
        if brain is None:
            return
        yield from learned_metrics(brain.acceptance)
        yield GaugeMetricFamily(
            "tierwise_router_table_specialists", "Specialists known.", len(brain.table.routes)
        )
        yield GaugeMetricFamily(
            "tierwise_router_table_age_seconds",
            "Time since the route table last changed.",
            time.time() - self._dispatcher.brain_at,
        )


def _counter(name: str, text: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric([str(part) for part in key], value)
    return family


def _histogram(
    name: str,
    text: str,
    table: Mapping[str, Durations],
    exemplars: Mapping[tuple[str, int], Kept] = MappingProxyType({}),
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["specialist"])
    bounds = [*(str(bound) for bound in DURATION_BOUNDS_S), "+Inf"]
    for specialist, seen in table.items():
        total_so_far, buckets = 0, list[Any]()
        for place, (bound, count) in enumerate(zip(bounds, seen.counts, strict=True)):
            total_so_far += count
            kept = exemplars.get((specialist, place))
            buckets.append((bound, float(total_so_far), _exemplar(kept) if kept else None))
        family.add_metric([specialist], buckets, sum_value=seen.sum_s)
    return family


def _exemplar(kept: Kept) -> Exemplar:
    return Exemplar({"trace_id": kept.trace}, kept.seconds, kept.at)
