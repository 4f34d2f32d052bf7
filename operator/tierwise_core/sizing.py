"""How much memory of each GPU a model takes. Pure arithmetic over the model's own metadata.

::

    weights    = bytes of all tensors / tensor_parallel
    KV cache   = bytes per token x context x concurrency / shards
    activation = the larger of one block's and the sampler's working memory
    overhead   = CUDA context + CUDA graphs + communication buffers

``context`` is rounded up to vLLM's blocks of 16 tokens. ``shards`` is ``tensor_parallel`` up to the
number of key-value heads, and 1 for a latent cache. The last two lines are estimates, explained in
:mod:`tierwise_core.engine_memory`; the first two are exact. The sum must be at most
``memory x usableFraction`` of the tier, which :mod:`tierwise_core.placement` checks.

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
from typing import Final

from tierwise_core.correction import NO_CORRECTION, Correction, corrected
from tierwise_core.engine_memory import (
    UNKNOWN_ACTIVATION_BYTES,
    activation_bytes,
    overhead_bytes,
)
from tierwise_core.errors import InvalidSizeError, UnknownArchitectureError
from tierwise_core.model_metadata import Demand, MemoryBreakdown, ModelMetadata, SizeOverrides
from tierwise_core.tensor_parallel import (
    check_tensor_parallel,
    kv_shards,
    tensor_parallel_sizes,
)

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

KV_BLOCK_TOKENS: Final = 16
UNKNOWN_BYTES_PER_PARAMETER: Final = 2


def size_request(
    metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand
) -> Mapping[int, MemoryBreakdown]:
    """The memory of each GPU, for every tensor-parallel size the model allows.

    Args:
        metadata: what the source says, or ``None`` if it was not read.
        overrides: ``spec.model.size``; what is given there wins over the metadata.
        demand: what a replica must hold. A fixed ``tensor_parallel`` gives that size alone.

    Raises:
        UnknownArchitectureError: something is neither in the metadata nor overridden.
        TensorParallelError: the fixed size does not divide the model.
        InvalidSizeError: a number is negative, or the context longer than the model's.

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
    return {size: memory_per_gpu(metadata, overrides, demand, size) for size in sizes}


def memory_per_gpu(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tensor_parallel: int,
    correction: Correction = NO_CORRECTION,
) -> MemoryBreakdown:
    """The memory one replica takes of each of its ``tensor_parallel`` GPUs (module docstring).

    A tier's learned ``correction`` changes what is estimated, never what is overridden.

    Raises:
        UnknownArchitectureError: something is neither in the metadata nor overridden.
        InvalidSizeError: a number is negative, or the context longer than the model's.
    """
    _check_numbers(overrides, demand)
    missing = missing_without_metadata(overrides, demand) if metadata is None else ()
    if missing:
        raise UnknownArchitectureError(
            f"the model's metadata was not read, so {' and '.join(missing)} must be given"
        )
    weights = replica_weights_bytes(metadata, overrides)
    need = MemoryBreakdown(
        weights_bytes=-(-weights // (tensor_parallel * demand.pipeline_parallel)),
        kv_cache_bytes=_kv_cache_bytes(metadata, overrides, demand, tensor_parallel),
        activation_bytes=_activation_bytes(metadata, overrides, demand, tensor_parallel),
        overhead_bytes=_overhead_bytes(metadata, overrides, tensor_parallel),
    )
    return corrected(need, _of_estimates(correction, overrides))


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
    return _kv_cache_bytes(metadata, overrides, replace(demand, pipeline_parallel=1), 1)


def replica_kv_bytes_per_token(
    metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand
) -> int:
    """The KV cache of one token over the whole model."""
    if overrides.kv_bytes_per_token is not None:
        return overrides.kv_bytes_per_token
    return _kv_bytes_per_token(metadata, demand.kv_cache_dtype)


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


def context_tokens(metadata: ModelMetadata | None, demand: Demand) -> int:
    """The sequence length to serve: the one asked for, else the model's own.

    Raises:
        InvalidSizeError: longer than the model's own, which vLLM refuses to start with.
        UnknownArchitectureError: neither is known.
    """
    limit = 0 if metadata is None else metadata.context_length
    asked = demand.context_length_tokens
    if asked is None and not limit:
        raise UnknownArchitectureError(
            "the model's config.json names no context length; set spec.model.maxModelLen"
        )
    if asked and limit and asked > limit:
        raise InvalidSizeError(
            f"spec.model.maxModelLen: {asked} is longer than the model's own context of {limit} "
            f"tokens; give {limit} or less"
        )
    return asked or limit


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
    return tuple(notes)


def _check_numbers(overrides: SizeOverrides, demand: Demand) -> None:
    """Refuse numbers that no model and no request can have."""
    at_least_zero = {
        "spec.model.size.activation": overrides.activation_bytes,
        "spec.model.size.overhead": overrides.overhead_bytes,
        "spec.model.size.kvBytesPerToken": overrides.kv_bytes_per_token,
    }
    at_least_one = {
        "spec.model.size.weights": overrides.weights_bytes,
        "spec.model.size.parameters": overrides.parameters,
        "spec.model.maxModelLen": demand.context_length_tokens,
        "spec.placement.targetConcurrency": demand.concurrency,
        "max-num-batched-tokens": demand.max_batched_tokens,
        "max-num-seqs": demand.max_sequences,
        "spec.placement.nodesPerReplica": demand.pipeline_parallel,
    }
    for least, numbers in ((0, at_least_zero), (1, at_least_one)):
        for field, value in numbers.items():
            if value is not None and value < least:
                raise InvalidSizeError(f"{field}: {value} is too small; give {least} or more")


def replica_weights_bytes(metadata: ModelMetadata | None, overrides: SizeOverrides) -> int:
    """The whole model's weights: the override, else parameters x their width, else the files."""
    if overrides.weights_bytes is not None:
        return overrides.weights_bytes
    if overrides.parameters is None:
        return metadata.weights_bytes if metadata else 0
    if metadata and metadata.parameters and metadata.weights_bytes:
        return -(-overrides.parameters * metadata.weights_bytes // metadata.parameters)
    return overrides.parameters * UNKNOWN_BYTES_PER_PARAMETER


def _kv_cache_bytes(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tensor_parallel: int,
) -> int:
    """The KV cache of ``concurrency`` full sequences on each GPU."""
    per_token = overrides.kv_bytes_per_token
    if per_token is None:
        per_token = _kv_bytes_per_token(metadata, demand.kv_cache_dtype)
    blocks = -(-context_tokens(metadata, demand) // KV_BLOCK_TOKENS)
    tokens = blocks * KV_BLOCK_TOKENS * demand.concurrency
    shards = kv_shards(metadata, tensor_parallel) * demand.pipeline_parallel
    return -(-per_token * tokens // shards)


def _kv_bytes_per_token(metadata: ModelMetadata | None, kv_cache_dtype: str) -> int:
    """The metadata's figure, at the width that ``--kv-cache-dtype`` gives one value."""
    if metadata is None:
        return 0
    if kv_cache_dtype == "auto":
        return metadata.kv_bytes_per_token
    width = 1 if kv_cache_dtype.startswith("fp8") else 2
    return metadata.kv_bytes_per_token * width // metadata.kv_dtype_bytes


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
    metadata: ModelMetadata | None, overrides: SizeOverrides, tensor_parallel: int
) -> int:
    """The override, else the estimate."""
    if overrides.overhead_bytes is not None:
        return overrides.overhead_bytes
    return overhead_bytes(metadata.layers if metadata else 0, tensor_parallel)
