"""What loaded engines say of themselves, beside what was estimated: ``status.performance``.

vLLM settles the size of its KV cache when it starts: what ``--gpu-memory-utilization`` leaves after
weights, activations and its own overhead. So the cache it made tells what the rest took::

    taken besides the cache = usable memory - cache     (each per GPU)

An engine that was told how large its cache is (on processors it always is) tells nothing of the
rest; there, what one token takes is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

from tierwise_core.correction import LoadSample
from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import Pod
from tierwise_core.load import Traffic
from tierwise_core.model_metadata import MemoryBreakdown

__all__ = [
    "Estimate",
    "Rates",
    "differs",
    "estimate_error",
    "faster",
    "load_sample",
    "load_seconds",
    "rates_under_load",
    "report",
]

NOTABLE_SHARE: Final = 0.2
"""Figures are published anew when one differs by a fifth; less is not worth a write."""
LOADED_SHARE: Final = 0.5
"""A replica is under load with half of the requests it is meant to answer at once: autoscaling
keeps it somewhat below its target, so the whole of it would seldom be seen."""
OWN_MEMORY_ARGS: Final = (
    "--gpu-memory-utilization",
    "--kv-cache-memory-bytes",
    "--num-gpu-blocks-override",
)
"""With any of these in engine.args the cache no longer tells what the rest took."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was estimated for the pods of one tier.

    Attributes:
        tier: the tier.
        need: of each GPU, without what was learned from earlier loads.
        usable_bytes: what the engine may take of each GPU.
        tokens: how many tokens ``need.kv_cache_bytes`` are for.
        tensor_parallel: GPUs of a replica that share the cache.
        file_bytes: of each GPU, weights as the files hold them; None where nobody has read them.
    """

    tier: str
    need: MemoryBreakdown
    usable_bytes: int
    tokens: int
    tensor_parallel: int = 1
    file_bytes: int | None = None

    @property
    def kv_bytes_per_token(self) -> float:
        """The estimate of one token's cache on each GPU.

        >>> Estimate("t", MemoryBreakdown(0, 1000, 0, 0), 0, 500).kv_bytes_per_token
        2.0
        """
        return self.need.kv_cache_bytes / self.tokens if self.tokens else 0.0


@dataclass(frozen=True, slots=True)
class Rates:
    """The most that one replica was seen to do under load, in tokens per second."""

    generation: float = 0.0
    prompt: float = 0.0

    def beside(self, other: Rates) -> Rates:
        """Return the higher of each.

        >>> Rates(10, 900).beside(Rates(80, 0))
        Rates(generation=80, prompt=900)
        """
        return Rates(max(self.generation, other.generation), max(self.prompt, other.prompt))


def rates_under_load(served: Traffic, replicas: int, target: int) -> Rates | None:
    """Return what each replica did between two looks; None where it had little to do.

    What an idle replica generates is what it was asked for, not what it can do. ``target`` is how
    many requests a replica is meant to answer at once.

    >>> rates_under_load(Traffic(10.0, 8000.0, 2000.0, 9.0, in_flight=16), 2, 8)
    Rates(generation=400.0, prompt=100.0)
    >>> rates_under_load(Traffic(10.0, 8.0, 20.0, 1.0, in_flight=1), 2, 8) is None
    True
    """
    share = served.seconds * replicas
    if not share or served.in_flight < LOADED_SHARE * target * replicas:
        return None
    return Rates(served.generated_tokens / share, served.prompt_tokens / share)


def load_sample(estimate: Estimate, page: EngineMetrics, args: Sequence[str]) -> LoadSample | None:
    """Return what a pod took besides its cache, or None where it does not tell.

    A GPU with 20 GiB to use, on which the engine made a cache of 4096 tokens of 1 MiB, took 16 GiB
    for the rest:

    >>> need = MemoryBreakdown(14 * 2**30, 2**30, 2**29, 2**29)
    >>> estimate = Estimate("t", need, 20 * 2**30, 1024)
    >>> load_sample(estimate, EngineMetrics(0, 0, 0, 0, kv_cache_tokens=4096), ()).measured_bytes
    17179869184
    """
    told = page.kv_cache_memory_bytes is not None or any(_sets(word) for word in args)
    if told or not page.kv_cache_tokens or not estimate.kv_bytes_per_token:
        return None
    cache = page.kv_cache_tokens * estimate.kv_bytes_per_token
    measured = round(estimate.usable_bytes - cache)
    return LoadSample(estimate.need, measured) if measured > 0 else None


def _sets(word: str) -> bool:
    return word.partition("=")[0] in OWN_MEMORY_ARGS


def estimate_error(estimate: Estimate, page: EngineMetrics, args: Sequence[str]) -> float | None:
    """Return by how many percent the estimate was too high; None when nothing can be compared.

    >>> estimate = Estimate("t", MemoryBreakdown(0, 2048, 0, 0), 0, 2)
    >>> page = EngineMetrics(0, 0, 0, 0, kv_cache_memory_bytes=1280, kv_cache_tokens=1)
    >>> estimate_error(estimate, page, ())
    -20.0
    """
    sample = load_sample(estimate, page, args)
    if sample is not None:
        predicted, measured = float(sample.predicted_bytes), float(sample.measured_bytes)
    else:
        predicted, measured = estimate.kv_bytes_per_token, _per_token(page) or 0.0
    return round((predicted - measured) / measured * 100, 2) if predicted and measured else None


def _per_token(page: EngineMetrics) -> float | None:
    """Return what one token takes of each GPU, where the engine says."""
    if not page.kv_cache_memory_bytes or not page.kv_cache_tokens:
        return None
    return page.kv_cache_memory_bytes / page.kv_cache_tokens


def load_seconds(pods: Iterable[Pod]) -> float | None:
    """Return how long pods took from the start of the engine until they were ready: the median.

    A pod that was started again is left out: its engine did not load only once.

    >>> load_seconds([Pod("a", "p", ready=True, running_since="2026-01-31T12:00:00Z",
    ...                   ready_since="2026-01-31T12:01:30Z")])
    90.0
    """
    spans = [
        (_moment(pod.ready_since) - _moment(pod.running_since)).total_seconds()
        for pod in pods
        if pod.ready and pod.ready_since and pod.running_since and not pod.restarts
    ]
    return float(median(span for span in spans)) if spans and min(spans) >= 0 else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def report(
    pods: Sequence[Pod],
    pages: Mapping[str, EngineMetrics],
    estimates: Mapping[str, Estimate],
    rates: Rates,
    args: Sequence[str],
) -> dict[str, Any]:
    """Return ``status.performance`` without its time; empty while no pod has told anything."""
    told = [(pod, pages[pod.key]) for pod in pods if pod.key in pages]
    known = [(estimates[pod.tier], page) for pod, page in told if pod.tier in estimates]
    errors = [e for estimate, page in known if (e := estimate_error(estimate, page, args))]
    found = {
        "weightsBytes": _middle(estimate.file_bytes for estimate, _ in known),
        "kvCacheTokens": _middle(page.kv_cache_tokens for _, page in told),
        "kvCacheBytes": _middle(_cache_bytes(estimate, page) for estimate, page in known),
        "kvBytesPerToken": _middle(_on_all_gpus(estimate, page) for estimate, page in known),
        "loadSeconds": load_seconds(pod for pod, _ in told),
        "generationTokensPerSecond": round(rates.generation, 1) or None,
        "promptTokensPerSecond": round(rates.prompt, 1) or None,
        "estimateErrorPercent": median(errors) if errors else None,
    }
    figures = {name: value for name, value in found.items() if value is not None}
    return {**figures, "pods": len(told)} if figures else {}


def _cache_bytes(estimate: Estimate, page: EngineMetrics) -> int | None:
    if page.kv_cache_memory_bytes:
        return page.kv_cache_memory_bytes
    tokens = page.kv_cache_tokens or 0
    return round(tokens * estimate.kv_bytes_per_token) or None


def _on_all_gpus(estimate: Estimate, page: EngineMetrics) -> int | None:
    each = _per_token(page)
    return round(each * estimate.tensor_parallel) if each else None


def _middle(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value]
    return round(median(known)) if known else None


def differs(found: Mapping[str, Any], published: Mapping[str, Any]) -> bool:
    """Say whether figures are worth a write.

    >>> differs({"kvCacheTokens": 100, "pods": 2}, {"kvCacheTokens": 95, "pods": 1})
    False
    >>> differs({"kvCacheTokens": 100}, {})
    True
    """
    names = {name for name in found if name != "pods"}
    return any(_far(float(found[name]), published.get(name)) for name in names)


def faster(rates: Rates, published: Mapping[str, Any]) -> bool:
    """Say whether replicas were seen to do notably more than was published.

    >>> faster(Rates(generation=130), {"generationTokensPerSecond": 100.0})
    True
    """
    pairs = (
        (rates.generation, published.get("generationTokensPerSecond")),
        (rates.prompt, published.get("promptTokensPerSecond")),
    )
    return any(rate > 0 and _far(rate, told) for rate, told in pairs)


def _far(now: float, before: Any) -> bool:
    if not isinstance(before, int | float):
        return True
    return abs(now - before) > NOTABLE_SHARE * max(abs(now), abs(float(before)))
