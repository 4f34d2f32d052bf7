"""Keeps what engines tell of themselves, and what each tier's loads teach about the estimate."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tierwise_core.correction import NO_CORRECTION, Correction, LoadSample, learn
from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import GPUTier, Pod
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.learned import kept, published_correction
from tierwise_core.load import Traffic
from tierwise_core.performance import (
    Estimate,
    Rates,
    differs,
    faster,
    load_sample,
    rates_under_load,
    report,
)
from tierwise_core.pod_health import serving
from tierwise_core.sized import file_bytes_on_each_gpu
from tierwise_core.specialist import Specialist
from tierwise_operator.workqueue import Item

Pages = Callable[[str], Mapping[str, EngineMetrics]]


class Performance:
    """What is known of loaded engines; all of it can be lost, the pods tell it again."""

    def __init__(
        self, pages: Pages, enqueue: Callable[[Item], None], clock: Callable[[], datetime]
    ) -> None:
        self._pages = pages
        self._enqueue = enqueue
        self._clock = clock
        self._rates: dict[str, tuple[str, Rates]] = {}
        self._samples: dict[str, dict[str, tuple[LoadSample, ...]]] = {}
        self._corrections: dict[str, Correction] = {}

    def take(self, specialist: Specialist, served: Traffic, ready: int) -> None:
        """Take note of what a Specialist's replicas did since the look before, under load."""
        seen = rates_under_load(served, ready, specialist.placement.target_concurrency)
        if seen is None:
            return
        revision = str(specialist.status.get("activeRevision") or "")
        of, known = self._rates.get(specialist.key, (revision, Rates()))
        best = seen.beside(known) if of == revision else seen
        self._rates[specialist.key] = (revision, best)
        told = specialist.status.get("performance") or {}
        if told and faster(best, told):
            self._enqueue(Item("Specialist", specialist.key))

    def status(
        self, specialist: Specialist, verdict: FleetVerdict | None, pods: Sequence[Pod]
    ) -> dict[str, Any]:
        """Return ``status.performance``; what was published stays while nothing notable changes."""
        if specialist.model is None:
            return {}
        before = specialist.status.get("performance") or {}
        estimates = _estimates(specialist, verdict)
        pages = self._pages(specialist.key)
        ready = serving(pods)
        self._learn(specialist, ready, pages, estimates)
        rates = self._rates.get(specialist.key, ("", Rates()))[1]
        found = report(ready, pages, estimates, rates, specialist.engine.args)
        if not found or not differs(found, before):
            return {"performance": dict(before)} if before else {}
        moment = self._clock().astimezone(UTC).isoformat(timespec="seconds")
        return {"performance": {**found, "measuredAt": moment.replace("+00:00", "Z")}}

    def correction(self, tier: GPUTier) -> Correction:
        """Return what to correct on a tier: what its pods teach, else what was published."""
        known = self._corrections.get(tier.name)
        return known or published_correction(tier.status) or NO_CORRECTION

    def forget(self, key: str) -> None:
        """Forget a Specialist that is gone; what it taught goes with it."""
        self._rates.pop(key, None)
        for tier in self._samples.pop(key, {}):
            self._relearn(tier)

    def _learn(
        self,
        specialist: Specialist,
        ready: Sequence[Pod],
        pages: Mapping[str, EngineMetrics],
        estimates: Mapping[str, Estimate],
    ) -> None:
        told: dict[str, tuple[LoadSample, ...]] = {}
        for pod in ready:
            if pod.key in pages and pod.tier in estimates:
                args = specialist.engine.args
                sample = load_sample(estimates[pod.tier], pages[pod.key], args)
                told[pod.tier] = (*told.get(pod.tier, ()), *((sample,) if sample else ()))
        before = self._samples.get(specialist.key, {})
        if told and told != before:
            self._samples[specialist.key] = told
            for tier in before.keys() | told.keys():
                self._relearn(tier)

    def _relearn(self, tier: str) -> None:
        samples = [one for told in self._samples.values() for one in told.get(tier, ())]
        learned = learn(samples)
        known = self._corrections.get(tier, NO_CORRECTION)
        chosen = kept(known, learned) if samples else known
        if chosen != known:
            self._corrections[tier] = chosen
            self._enqueue(Item("Fleet"))
            self._enqueue(Item("GPUTier", tier))


def _estimates(specialist: Specialist, verdict: FleetVerdict | None) -> dict[str, Estimate]:
    """Return what was estimated on each tier of the assignment, uncorrected."""
    if verdict is None or verdict.assignment is None:
        return {}
    sizing = verdict.sizing
    tokens = (sizing.context_length_tokens or 0) * specialist.placement.target_concurrency
    return {
        share.tier: Estimate(
            tier=share.tier,
            need=sizing.memory[share.tensor_parallel],
            usable_bytes=share.usable_bytes_per_gpu,
            tokens=tokens,
            tensor_parallel=share.tensor_parallel,
            file_bytes=file_bytes_on_each_gpu(specialist, sizing.metadata, share.tensor_parallel),
        )
        for share in verdict.assignment.shares
        if share.tensor_parallel in sizing.memory
    }
