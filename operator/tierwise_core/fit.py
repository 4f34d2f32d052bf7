"""Which tiers hold a model, what it costs there, and what rules the others out.

The answer of ``tierwise size``. It looks at one replica and at what a tier's GPUs are, not at who
uses them now: that is placement's question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from tierwise_core.correction import NO_CORRECTION, Correction
from tierwise_core.errors import InvalidSizeError, SizingError
from tierwise_core.fit_report import Fit, FitReport, Misfit
from tierwise_core.mig import is_slice
from tierwise_core.model_metadata import Demand, MemoryBreakdown, ModelMetadata, SizeOverrides
from tierwise_core.placement_types import Tier
from tierwise_core.quantities import format_bytes
from tierwise_core.sizing import (
    context_tokens,
    memory_per_gpu,
    replica_kv_bytes,
    replica_kv_bytes_per_token,
    replica_weights_bytes,
    size_request,
    sizing_assumptions,
)

__all__ = ["Fit", "FitReport", "Misfit", "fits"]

NO_CORRECTIONS: Final[Mapping[str, Correction]] = MappingProxyType({})
LONGEST_CONTEXT: Final = 2**24
"""Where the search for the longest context ends when the model's own is not known."""
MOST_GPUS_PER_NODE: Final = 8
"""Assumed of a tier that names no nodes."""


def fits(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tiers: Sequence[Tier],
    corrections: Mapping[str, Correction] = NO_CORRECTIONS,
) -> FitReport:
    """Compare a model with tiers.

    Args:
        metadata: what the source says, or ``None`` if it was not read.
        overrides: ``spec.model.size``.
        demand: what one replica must hold; a fixed tensor parallel is taken alone.
        tiers: the GPUs to compare with. Nodes are optional: without them a tier counts as having
            nodes of eight GPUs.
        corrections: what was learned on each tier, by its name.

    Raises:
        UnknownArchitectureError: something is neither in the metadata nor overridden.
        TensorParallelError: the fixed tensor parallel does not divide the model.
        InvalidSizeError: a number is impossible, or two tiers have one name.

    Llama-3.1-8B, eight sequences of 8192 tokens:

    >>> llama = ModelMetadata("LlamaForCausalLM", 16_060_522_496, 8_030_261_248, layers=32,
    ...     kv_heads=8, attention_heads=32, head_dim=128, hidden_size=4096, vocab_size=128256,
    ...     context_length=131072, kv_dtype_bytes=2, dtype="bfloat16", kv_bytes_per_token=131072,
    ...     intermediate_size=14336)
    >>> report = fits(llama, SizeOverrides(), Demand(8192), [
    ...     Tier("h100", 80 * 2**30, usd_per_gpu_hour=3.0),
    ...     Tier("rtx-4090", 24 * 2**30, usd_per_gpu_hour=0.4)])
    >>> [(fit.tier, fit.gpus, fit.usd_per_hour, fit.max_concurrency) for fit in report.fits]
    [('rtx-4090', 2, 0.8, 23), ('h100', 1, 3.0, 54)]
    """
    _check_tiers(tiers)
    sizes = size_request(metadata, overrides, demand)
    model = _Model(metadata, overrides, demand)
    outcomes = [
        _compare(model, tier, sizes, corrections.get(tier.name, NO_CORRECTION)) for tier in tiers
    ]
    found = sorted(
        (outcome for outcome in outcomes if isinstance(outcome, Fit)),
        key=lambda fit: (fit.usd_per_hour, fit.gpus, fit.tier),
    )
    size = found[0].tensor_parallel if found else min(sizes)
    need = sizes[size]
    return FitReport(
        weights_bytes=replica_weights_bytes(metadata, overrides, demand),
        kv_bytes_per_token=replica_kv_bytes_per_token(metadata, overrides, demand),
        kv_bytes=replica_kv_bytes(metadata, overrides, demand),
        activation_bytes=need.activation_bytes,
        overhead_bytes=need.overhead_bytes,
        total_bytes_per_gpu=need.total_bytes_per_gpu,
        fits=tuple(found),
        rejected=tuple(
            sorted((o for o in outcomes if isinstance(o, Misfit)), key=lambda misfit: misfit.tier)
        ),
        assumptions=(
            *sizing_assumptions(metadata, overrides, demand),
            f"total_bytes_per_gpu is at tensor parallel {size}",
            *_correction_notes(tiers, corrections),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Model:
    """What stays the same over all tiers."""

    metadata: ModelMetadata | None
    overrides: SizeOverrides
    demand: Demand

    def fits_in(self, usable: int, demand: Demand, size: int, correction: Correction) -> bool:
        """Whether another demand fits into the usable memory of one GPU."""
        need = memory_per_gpu(self.metadata, self.overrides, demand, size, correction)
        return need.total_bytes_per_gpu <= usable


def _check_tiers(tiers: Sequence[Tier]) -> None:
    """Refuse tiers that cannot be told apart or cannot exist."""
    names = [tier.name for tier in tiers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidSizeError(f"two tiers are named {twice[0]!r}; give each a name of its own")
    for tier in tiers:
        if tier.gpu_memory_bytes < 0:
            raise InvalidSizeError(
                f"tier {tier.name}: spec.gpu.memory is {tier.gpu_memory_bytes} bytes; give the "
                "memory of one GPU, such as 24Gi"
            )


def _compare(
    model: _Model, tier: Tier, sizes: Mapping[int, MemoryBreakdown], correction: Correction
) -> Fit | Misfit:
    """The smallest size that fits the tier, or what rules it out."""
    usable = tier.usable_bytes_per_gpu
    if not tier.gpu_memory_bytes:
        return Misfit(tier.name, "the memory of its GPU is not known; set spec.gpu.memory")
    largest = max((node.gpus_total for node in tier.nodes), default=MOST_GPUS_PER_NODE)
    needs = {
        size: memory_per_gpu(model.metadata, model.overrides, model.demand, size, correction)
        for size in sorted(sizes)
    }
    if is_slice(tier.resource_name):
        largest = 1
    allowed = [size for size in needs if size <= largest]
    for size in allowed:
        if needs[size].total_bytes_per_gpu <= usable:
            return _fit(model, tier, size, usable - needs[size].total_bytes_per_gpu, correction)
    return Misfit(tier.name, _too_small(needs, allowed, tier, largest))


def _too_small(
    needs: Mapping[int, MemoryBreakdown],
    allowed: Sequence[int],
    tier: Tier,
    largest: int,
) -> str:
    """Why no size fits: the closest one, in numbers."""
    usable, sliced = tier.usable_bytes_per_gpu, is_slice(tier.resource_name)
    if not allowed and sliced:
        return f"needs {min(needs)} GPUs joined, and slices of a GPU (MIG) cannot be joined"
    if not allowed:
        return f"needs {min(needs)} GPUs on one node, its largest node has {largest}"
    best = min(allowed, key=lambda size: needs[size].total_bytes_per_gpu)
    need = needs[best].total_bytes_per_gpu
    gpus = "1 GPU" if best == 1 else f"each of {best} GPUs"
    return (
        f"needs {format_bytes(need)} of {gpus}, {format_bytes(usable)} are usable: "
        f"{format_bytes(need - usable)} short"
    )


def _fit(model: _Model, tier: Tier, size: int, headroom: int, correction: Correction) -> Fit:
    """The figures of a tier that holds the demand."""
    gpus = size * model.demand.pipeline_parallel
    return Fit(
        tier=tier.name,
        gpus=gpus,
        tensor_parallel=size,
        usd_per_hour=round(gpus * tier.usd_per_gpu_hour, 6),
        headroom_bytes=headroom,
        max_context=_max_context(model, tier.usable_bytes_per_gpu, size, correction),
        max_concurrency=_max_concurrency(model, tier.usable_bytes_per_gpu, size, correction),
    )


def _max_context(model: _Model, usable: int, size: int, correction: Correction) -> int:
    """The longest context that fits at the demanded concurrency."""
    own = model.metadata.context_length if model.metadata else 0
    longest = max(own or LONGEST_CONTEXT, context_tokens(model.metadata, model.demand))

    def holds(tokens: int) -> bool:
        demand = replace(model.demand, context_length_tokens=tokens)
        return model.fits_in(usable, demand, size, correction)

    return _largest(holds, longest)


def _max_concurrency(model: _Model, usable: int, size: int, correction: Correction) -> int:
    """How many sequences of the demanded context fit at once, up to what the engine batches."""

    def holds(sequences: int) -> bool:
        demand = replace(model.demand, concurrency=sequences)
        return model.fits_in(usable, demand, size, correction)

    return _largest(holds, max(model.demand.max_sequences, model.demand.concurrency))


def _largest(holds: Callable[[int], bool], limit: int) -> int:
    """The largest count up to ``limit`` for which it holds, if it holds for all smaller ones.

    >>> _largest(lambda count: count * count < 50, 100)
    7
    """
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if _quietly(holds, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _quietly(holds: Callable[[int], bool], count: int) -> bool:
    """Whether it holds; a demand that the model refuses does not."""
    try:
        return holds(count)
    except SizingError:
        return False


def _correction_notes(
    tiers: Sequence[Tier], corrections: Mapping[str, Correction]
) -> tuple[str, ...]:
    """Which tiers' figures carry a learned correction."""
    return tuple(
        f"tier {tier.name}: corrected by what {corrections[tier.name].samples} loads there took "
        f"(weights x {corrections[tier.name].weights_factor:.3f}, overhead "
        f"{corrections[tier.name].overhead_bytes / 2**20:+.0f} MiB)"
        for tier in tiers
        if corrections.get(tier.name, NO_CORRECTION).samples
    )
