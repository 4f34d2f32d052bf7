"""What an engine says of itself on ``/metrics``: its load, its counts, its KV cache.

The names are vLLM's; https://docs.vllm.ai/en/latest/usage/metrics.html lists them. An engine that
runs several cores behind one port (data parallel) reports each under a label; they are added up.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"
GENERATED = "vllm:generation_tokens_total"
PROMPTED = "vllm:prompt_tokens_total"
FINISHED = "vllm:request_success_total"
KV_USAGE = "vllm:kv_cache_usage_perc"
CACHE = "vllm:cache_config_info"
SERIES = frozenset({RUNNING, WAITING, GENERATED, PROMPTED, FINISHED, KV_USAGE, CACHE})

_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """One pod's page, read.

    Counters count since the engine started. What the page does not tell is None, and so is what
    the engine itself has not settled yet.

    Args:
        running: requests that are being answered.
        waiting: requests in the engine's queue.
        generation_tokens_total: tokens generated.
        prompt_tokens_total: tokens of prompts, cached ones included.
        finished_total: requests answered.
        kv_usage: share of the KV cache in use, 0 to 1; the fullest core's.
        kv_cache_memory_bytes: KV cache of one GPU, where the engine was told it.
        kv_cache_tokens: tokens the KV cache holds, over all cores.
    """

    running: int
    waiting: int
    generation_tokens_total: float
    prompt_tokens_total: float
    finished_total: float = 0.0
    kv_usage: float | None = None
    kv_cache_memory_bytes: int | None = None
    kv_cache_tokens: int | None = None

    @property
    def in_flight(self) -> int:
        """Requests the pod has, waiting ones included."""
        return self.running + self.waiting


@dataclass(frozen=True, slots=True)
class _Sample:
    name: str
    labels: str
    value: float


def parse_engine_metrics(page: str) -> EngineMetrics | None:
    r"""Read a page in Prometheus' text format; None when it is not that of a vLLM engine.

    A line that cannot be read is passed over: the rest of the page still counts.

    >>> page = 'vllm:num_requests_running{engine="0"} 3.0\nvllm:num_requests_waiting 1.0\n'
    >>> parse_engine_metrics(page).in_flight
    4
    >>> parse_engine_metrics("<html>not found</html>") is None
    True
    """
    found: dict[str, list[_Sample]] = {}
    for sample in _samples(page):
        found.setdefault(sample.name, []).append(sample)
    if RUNNING not in found or WAITING not in found:
        return None
    caches = [dict(_LABEL.findall(sample.labels)) for sample in found.get(CACHE, ())]
    return EngineMetrics(
        running=round(_sum(found, RUNNING)),
        waiting=round(_sum(found, WAITING)),
        generation_tokens_total=_sum(found, GENERATED),
        prompt_tokens_total=_sum(found, PROMPTED),
        finished_total=_sum(found, FINISHED),
        kv_usage=max((sample.value for sample in found.get(KV_USAGE, ())), default=None),
        kv_cache_memory_bytes=_first(caches, "kv_cache_memory_bytes"),
        kv_cache_tokens=_total(caches, "kv_cache_size_tokens") or _from_blocks(caches),
    )


def _samples(page: str) -> Iterator[_Sample]:
    """Yield the samples of the series we read; a page has thousands of lines and we want ten."""
    for line in page.splitlines():
        end = _end_of_name(line)
        if line[:end] not in SERIES:
            continue
        # A timestamp may follow the value; braces may stand in a label's value.
        close = line.rfind("}") + 1 or end
        try:
            value = float(line[close:].split()[0])
        except (IndexError, ValueError):
            continue
        if math.isfinite(value):
            yield _Sample(line[:end], line[end:close], value)


def _end_of_name(line: str) -> int:
    """Return where a sample's name ends: at its labels, else at a blank."""
    brace, blank = line.find("{"), line.find(" ")
    if brace < 0 or 0 <= blank < brace:
        return blank if blank >= 0 else len(line)
    return brace


def _sum(found: Mapping[str, list[_Sample]], name: str) -> float:
    return sum(sample.value for sample in found.get(name, ()))


def _whole(text: str | None) -> int | None:
    """Return a whole number as Python prints it, or None for ``None`` and anything else."""
    try:
        return int(text or "")
    except ValueError:
        return None


def _first(caches: list[dict[str, str]], name: str) -> int | None:
    return next((n for cache in caches if (n := _whole(cache.get(name))) is not None), None)


def _total(caches: list[dict[str, str]], name: str) -> int | None:
    counts = [n for cache in caches if (n := _whole(cache.get(name))) is not None]
    return sum(counts) if counts else None


def _from_blocks(caches: list[dict[str, str]]) -> int | None:
    """Return the tokens by the blocks, for an engine that does not tell them itself."""
    blocks, tokens = _total(caches, "num_gpu_blocks"), _first(caches, "block_size")
    return blocks * tokens if blocks and tokens else None
