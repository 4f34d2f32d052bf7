"""Over how many GPUs a model can be cut: the divisibility rules that vLLM enforces at start-up."""

from __future__ import annotations

from typing import Final

from tierwise_core.errors import TensorParallelError
from tierwise_core.model_metadata import ModelMetadata

__all__ = ["CANDIDATES", "check_tensor_parallel", "kv_shards", "tensor_parallel_sizes"]

CANDIDATES: Final = (1, 2, 4, 8)
"""The sizes tried when ``spec.placement.tensorParallel`` is not given: what nodes come with."""


def _obstacle(metadata: ModelMetadata, tensor_parallel: int) -> str | None:
    """Why the model cannot be cut so, or ``None``. A count of 0 is not known and rules out nothing.

    Key-value heads may be fewer than the GPUs: then each head is kept by several of them.
    """
    heads, kv_heads = metadata.attention_heads, metadata.kv_heads
    if heads % tensor_parallel:
        return f"{heads} attention heads"
    if kv_heads % tensor_parallel and tensor_parallel % kv_heads:
        return f"{kv_heads} key-value heads"
    if metadata.intermediate_size % tensor_parallel:
        return f"feed-forward width of {metadata.intermediate_size}"
    return None


def tensor_parallel_sizes(metadata: ModelMetadata | None) -> tuple[int, ...]:
    """Those of 1, 2, 4 and 8 that the model allows; all of them when the model is not known."""
    if metadata is None:
        return CANDIDATES
    return tuple(size for size in CANDIDATES if _obstacle(metadata, size) is None)


def check_tensor_parallel(metadata: ModelMetadata | None, tensor_parallel: int) -> None:
    """Nothing, if the model can be cut over that many GPUs.

    Raises:
        TensorParallelError: it cannot; the message names the sizes that work.
    """
    field = f"spec.placement.tensorParallel: {tensor_parallel}"
    if tensor_parallel < 1:
        raise TensorParallelError(f"{field} is not a number of GPUs; give 1 or more")
    obstacle = None if metadata is None else _obstacle(metadata, tensor_parallel)
    if obstacle:
        works = ", ".join(str(size) for size in tensor_parallel_sizes(metadata))
        raise TensorParallelError(
            f"{field} does not divide the model's {obstacle}; of 1, 2, 4 and 8 these work: {works}"
        )


def kv_shards(metadata: ModelMetadata | None, tensor_parallel: int) -> int:
    """Into how many parts the KV cache is cut.

    Each GPU keeps its own key-value heads, so that no cut is finer than one head. A latent cache
    (MLA) belongs to all heads at once: every GPU keeps the whole of it.

    >>> kv_shards(None, 4)
    4
    """
    if metadata is None or not metadata.kv_heads:
        return tensor_parallel
    if metadata.latent_attention:
        return 1
    return min(tensor_parallel, metadata.kv_heads)
