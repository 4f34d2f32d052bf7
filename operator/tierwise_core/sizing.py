"""How much memory of each GPU a model takes. Pure arithmetic over the model's own metadata.

::

    weights    = what the files hold, or what the engine makes of it / tensor_parallel
    KV cache   = blocks of a sequence x bytes per block x concurrency
    activation = the larger of one block's and the sampler's working memory
    overhead   = CUDA context + CUDA graphs + communication buffers + room for adapters

Weights (:mod:`tierwise_core.weight_share`) and KV cache (:mod:`tierwise_core.cache_pool`) are
exact, activation and overhead are estimates (:mod:`tierwise_core.engine_memory`). The sum must be
at most ``memory x usableFraction`` of the tier, which :mod:`tierwise_core.placement` checks.

Llama-3.1-8B, eight requests of 8192 tokens at once, on one GPU:

>>> llama = ModelMetadata("LlamaForCausalLM", 16_060_522_496, 8_030_261_248, layers=32,
...     kv_heads=8, attention_heads=32, head_dim=128, hidden_size=4096, vocab_size=128256,
...     context_length=131072, kv_dtype_bytes=2, dtype="bfloat16", kv_bytes_per_token=131072,
...     intermediate_size=14336)
>>> need = memory_per_gpu(llama, SizeOverrides(), Demand(8192, concurrency=8), 1)
>>> need.weights_bytes, need.kv_cache_bytes, need.overhead_bytes
(16060522496, 8589934592, 1073741824)
>>> round(need.total_bytes_per_gpu / 2**30, 2)
25.31

The same on an RTX 4090 of 24 GiB x 0.9 = 21.6 GiB usable fits with four requests at once:

>>> round(memory_per_gpu(llama, SizeOverrides(), Demand(8192, concurrency=4), 1)
...     .total_bytes_per_gpu / 2**30, 2)
21.31

Llama-3.1-70B (141 GB of weights) with one request of 8192 tokens fits two H100, each of 79.6 GiB
x 0.9 = 71.7 GiB usable:

>>> big = ModelMetadata("LlamaForCausalLM", 141_107_412_992, 70_553_706_496, layers=80,
...     kv_heads=8, attention_heads=64, head_dim=128, hidden_size=8192, vocab_size=128256,
...     context_length=131072, kv_dtype_bytes=2, dtype="bfloat16", kv_bytes_per_token=327680,
...     intermediate_size=28672)
>>> sizes = size_request(big, SizeOverrides(), Demand(8192, concurrency=1))
>>> {tp: round(need.total_bytes_per_gpu / 2**30, 1) for tp, need in sizes.items()}
{1: 136.9, 2: 70.1, 4: 36.6, 8: 19.8}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tierwise_core.correction import NO_CORRECTION, Correction, corrected
from tierwise_core.engine_memory import (
    UNKNOWN_ACTIVATION_BYTES,
    activation_bytes,
    adapter_bytes,
    overhead_bytes,
)
from tierwise_core.errors import UnknownArchitectureError
from tierwise_core.kv_need import context_tokens, kv_cache_bytes, replica_kv_bytes_per_token
from tierwise_core.model_metadata import Demand, MemoryBreakdown, ModelMetadata, SizeOverrides
from tierwise_core.size_checks import check_against_files, check_numbers
from tierwise_core.tensor_parallel import check_tensor_parallel, tensor_parallel_sizes
from tierwise_core.weight_bytes import ONLINE_METHODS, check_method
from tierwise_core.weight_share import replica_weights_bytes, weights_on_each_gpu

__all__ = [
    "Demand",
    "MemoryBreakdown",
    "ModelMetadata",
    "SizeOverrides",
    "context_tokens",
    "memory_per_gpu",
    "missing_without_metadata",
    "replica_kv_bytes",
    "replica_kv_bytes_per_token",
    "replica_weights_bytes",
    "size_request",
    "sizing_assumptions",
]


def size_request(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    correction: Correction = NO_CORRECTION,
) -> Mapping[int, MemoryBreakdown]:
    """The memory of each GPU, for every tensor-parallel size the model allows.

    Args:
        metadata: what the source says, or ``None`` if it was not read.
        overrides: ``spec.model.size``; what is given there wins over the metadata.
        demand: what a replica must hold. A fixed ``tensor_parallel`` gives that size alone.
        correction: what was learned on the tier; it changes what is estimated, no override.

    Raises:
        UnknownArchitectureError: something is neither in the metadata nor overridden.
        UnknownQuantizationError: the demand names a quantization that the engine does not know.
        TensorParallelError: the fixed size does not divide the model.
        InvalidSizeError: a number is negative, contradicts the files, or the context is longer
            than the model's.

    >>> known = SizeOverrides(weights_bytes=40 * 2**30, kv_bytes_per_token=1024)
    >>> need = size_request(None, known, Demand(2048, tensor_parallel=1))[1]
    >>> round(need.total_bytes_per_gpu / 2**30, 1)
    43.4
    """
    if demand.tensor_parallel is not None:
        check_tensor_parallel(metadata, demand.tensor_parallel)
        sizes: tuple[int, ...] = (demand.tensor_parallel,)
    else:
        sizes = tensor_parallel_sizes(metadata)
    return {size: memory_per_gpu(metadata, overrides, demand, size, correction) for size in sizes}


def memory_per_gpu(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tensor_parallel: int,
    correction: Correction = NO_CORRECTION,
) -> MemoryBreakdown:
    """The memory one replica takes of each of its ``tensor_parallel`` GPUs (module docstring).

    Raises:
        SizingError: as :func:`size_request`.
    """
    _check(metadata, overrides, demand)
    need = MemoryBreakdown(
        weights_bytes=weights_on_each_gpu(metadata, overrides, demand, tensor_parallel),
        kv_cache_bytes=kv_cache_bytes(metadata, overrides, demand, tensor_parallel),
        activation_bytes=_activation_bytes(metadata, overrides, demand, tensor_parallel),
        overhead_bytes=_overhead_bytes(metadata, overrides, demand, tensor_parallel),
    )
    return corrected(need, _of_estimates(correction, overrides))


def _check(metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand) -> None:
    """Refuse what cannot be computed."""
    check_numbers(overrides, demand)
    check_method(demand.quantization, "spec.model.quantization")
    missing = missing_without_metadata(overrides, demand) if metadata is None else ()
    if missing:
        raise UnknownArchitectureError(
            f"the model's metadata was not read, so {' and '.join(missing)} must be given"
        )
    if metadata is not None:
        check_against_files(metadata, overrides)


def _of_estimates(correction: Correction, overrides: SizeOverrides) -> Correction:
    """The part of a correction that does not touch what the user gave."""
    return replace(
        correction,
        weights_factor=1.0 if overrides.weights_bytes is not None else correction.weights_factor,
        overhead_bytes=0 if overrides.overhead_bytes is not None else correction.overhead_bytes,
    )


def replica_kv_bytes(
    metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand
) -> int:
    """The KV cache of the demanded sequences over the whole model, were it on one GPU."""
    return kv_cache_bytes(metadata, overrides, replace(demand, pipeline_parallel=1), 1)


def missing_without_metadata(overrides: SizeOverrides, demand: Demand) -> tuple[str, ...]:
    """The fields to set before a model can be sized without reading its source.

    Weights (or parameters), KV bytes per token and the context length suffice; activation and
    overhead have defaults.

    >>> missing_without_metadata(SizeOverrides(parameters=7_000_000_000), Demand())
    ('spec.model.size.kvBytesPerToken', 'spec.model.maxModelLen')
    """
    given = {
        "spec.model.size.weights (or .parameters)": overrides.weights_bytes
        if overrides.weights_bytes is not None
        else overrides.parameters,
        "spec.model.size.kvBytesPerToken": overrides.kv_bytes_per_token,
        "spec.model.maxModelLen": demand.context_length_tokens,
    }
    return tuple(field for field, value in given.items() if value is None)


def sizing_assumptions(
    metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand
) -> tuple[str, ...]:
    """What the result rests on besides facts, one sentence each, for people."""
    notes = list(metadata.assumptions) if metadata else []
    if overrides.activation_bytes is None:
        notes.append(
            f"activations are estimated for --max-num-batched-tokens {demand.max_batched_tokens} "
            f"and --max-num-seqs {demand.max_sequences}"
            if metadata
            else "activations are taken as 2 GiB, since the model's shape is not known"
        )
    if overrides.overhead_bytes is None:
        notes.append("overhead is estimated from the number of layers and GPUs")
    if overrides.weights_bytes is None and overrides.parameters is not None:
        notes.append("weights are counted from spec.model.size.parameters")
    return (*notes, *_adapter_notes(metadata, demand), *_quantization_notes(metadata, demand))


def _adapter_notes(metadata: ModelMetadata | None, demand: Demand) -> tuple[str, ...]:
    """What room for adapters rests on."""
    if demand.adapters is None:
        return ()
    limits = f"{demand.adapters.max_loaded} adapters of rank {demand.adapters.max_rank}"
    if metadata is None or not metadata.linears:
        return (f"room for {limits} is not counted: the model's layers are not known",)
    mebibytes = adapter_bytes(metadata, demand, 1) / 2**20
    return (f"the overhead holds room for {limits}: {mebibytes:.0f} MiB on one GPU",)


def _quantization_notes(metadata: ModelMetadata | None, demand: Demand) -> tuple[str, ...]:
    """What weights that are quantized while loading rest on."""
    if demand.quantization not in ONLINE_METHODS or metadata is None or metadata.quantization:
        return ()
    method = demand.quantization
    if not metadata.linears:
        return (f"weights count as stored: what {method} makes of this family is not known",)
    return (f"weights are quantized by {method} while they load",)


def _activation_bytes(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tensor_parallel: int,
) -> int:
    """The override, else the estimate, else what a large model needs."""
    if overrides.activation_bytes is not None:
        return overrides.activation_bytes
    if metadata is None or not metadata.hidden_size:
        return UNKNOWN_ACTIVATION_BYTES
    return activation_bytes(metadata, demand, tensor_parallel)


def _overhead_bytes(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tensor_parallel: int,
) -> int:
    """The override, else the estimate; and room for adapters, which neither of them knows of."""
    adapters = adapter_bytes(metadata, demand, tensor_parallel) if metadata else 0
    if overrides.overhead_bytes is not None:
        return overrides.overhead_bytes + adapters
    layers = metadata.layers if metadata else 0
    gpus = tensor_parallel * demand.pipeline_parallel
    return overhead_bytes(-(-layers // demand.pipeline_parallel), gpus) + adapters
