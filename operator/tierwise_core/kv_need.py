"""The KV cache that a replica needs for the sequences it must hold at once."""

from __future__ import annotations

from typing import Final

from tierwise_core.cache_pool import CachePool, EngineCache, cache_pool
from tierwise_core.errors import InvalidSizeError, UnknownArchitectureError
from tierwise_core.kv_cache_dtype import check_kv_cache_dtype
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.tensor_parallel import kv_shards

__all__ = ["context_tokens", "kv_cache_bytes", "kv_pool", "replica_kv_bytes_per_token"]

KV_BLOCK_TOKENS: Final = 16
STATE_BYTES: Final = {"float32": 4, "float16": 2, "bfloat16": 2}


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


def kv_pool(metadata: ModelMetadata, demand: Demand, tensor_parallel: int) -> CachePool | None:
    """The pool of blocks that the engine makes on each GPU; ``None`` for a model without layers."""
    check_kv_cache_dtype(demand.kv_cache_dtype)
    if not metadata.caches:
        return None
    asked = demand.kv_cache_dtype
    steps = demand.pipeline_parallel + (1 if demand.asynchronous else 0)
    engine = EngineCache(
        kv_cache_dtype=metadata.kv_cache_dtype if asked == "auto" else asked,
        tokens_in_flight=steps * demand.max_batched_tokens,
        block_tokens=demand.block_tokens,
        grouped=demand.grouped_cache,
        prefix_caching=demand.prefix_caching,
        state_value_bytes=STATE_BYTES.get(demand.state_dtype),
        pipeline_parallel=demand.pipeline_parallel,
    )
    return cache_pool(metadata.caches, tensor_parallel, engine)


def kv_cache_bytes(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tensor_parallel: int,
) -> int:
    """The KV cache of ``concurrency`` full sequences on each GPU.

    With ``kvBytesPerToken`` given, every token costs that, in whole blocks.
    """
    context = context_tokens(metadata, demand)
    pool = kv_pool(metadata, demand, tensor_parallel) if metadata else None
    if pool is not None and overrides.kv_bytes_per_token is None:
        return pool.sequence_bytes(context) * demand.concurrency
    per_token = _plain_bytes_per_token(metadata, overrides, demand)
    block = demand.block_tokens or KV_BLOCK_TOKENS
    tokens = -(-context // block) * block * demand.concurrency
    shards = kv_shards(metadata, tensor_parallel) * demand.pipeline_parallel
    return -(-per_token * tokens // shards)


def replica_kv_bytes_per_token(
    metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand
) -> int:
    """What a token costs over the whole model, in a sequence of the demanded length.

    That is what the engine reports, ``kv_cache_memory_bytes / kv_cache_size_tokens``. For plain
    attention it is the same for every length; windows and states make it fall with the length.
    """
    pool = kv_pool(metadata, demand, 1) if metadata else None
    if pool is None or overrides.kv_bytes_per_token is not None:
        return _plain_bytes_per_token(metadata, overrides, demand)
    context = context_tokens(metadata, demand)
    return -(-pool.sequence_bytes(context) // context)


def _plain_bytes_per_token(
    metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand
) -> int:
    """The override, else the metadata's figure at the width of the cache's dtype."""
    if overrides.kv_bytes_per_token is not None:
        return overrides.kv_bytes_per_token
    if metadata is None:
        return 0
    if demand.kv_cache_dtype == "auto":
        return metadata.kv_bytes_per_token
    width = 1 if demand.kv_cache_dtype.startswith("fp8") else 2
    return metadata.kv_bytes_per_token * width // metadata.kv_dtype_bytes
