"""Over how many GPUs a model can be cut: the divisibility rules that vLLM enforces at start-up.

Tensor parallel of ``n`` needs ``n`` to divide

- the attention heads, and a vision tower's;
- the key-value heads, or to be a multiple of them: then several GPUs keep the same head;
- the feed-forward's (each expert's) width, and with a quantization in groups each GPU's part of it
  must be whole groups; the same for the attention's output;
- the vocabulary, once it is padded to a multiple of 64;
- a state-space layer's heads.

Experts are cut like any feed-forward (``--enable-expert-parallel`` is not used).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tierwise_core.errors import TensorParallelError
from tierwise_core.model_metadata import ModelMetadata

__all__ = ["CANDIDATES", "check_tensor_parallel", "kv_shards", "tensor_parallel_sizes"]

CANDIDATES: Final = (1, 2, 4, 8)
"""The sizes tried when ``spec.placement.tensorParallel`` is not given: what nodes come with."""
VOCAB_PADDING: Final = 64


def _obstacles(metadata: ModelMetadata, size: int) -> Iterator[str]:
    """Why the model cannot be cut so. A count of 0 is not known and rules out nothing."""
    heads, kv_heads = metadata.attention_heads, metadata.kv_heads
    if heads % size:
        yield f"{heads} attention heads"
    if kv_heads and kv_heads % size and size % kv_heads:
        yield f"{kv_heads} key-value heads"
    if metadata.intermediate_size % size:
        yield f"feed-forward width of {metadata.intermediate_size}"
    padded = -(-metadata.vocab_size // VOCAB_PADDING) * VOCAB_PADDING
    if padded % size:
        yield f"vocabulary, padded to {padded}"
    for count, words in metadata.divisible:
        if count % size:
            yield f"{count} {words}"
    yield from _split_groups(metadata, size)


def _split_groups(metadata: ModelMetadata, size: int) -> Iterator[str]:
    """Widths whose part on one GPU would not be whole quantization groups."""
    group = metadata.quantization_group
    if size == 1 or not group:
        return
    attention = 0 if metadata.latent_attention else metadata.attention_heads * metadata.head_dim
    for width, words in (
        (metadata.intermediate_size, "feed-forward width"),
        (attention, "attention width"),
    ):
        if width % group == 0 and width % (size * group):
            yield f"{words} of {width} into whole quantization groups of {group}"


def tensor_parallel_sizes(metadata: ModelMetadata | None) -> tuple[int, ...]:
    """Those of 1, 2, 4 and 8 that the model allows; all of them when the model is not known."""
    if metadata is None:
        return CANDIDATES
    return tuple(size for size in CANDIDATES if not any(_obstacles(metadata, size)))


def check_tensor_parallel(metadata: ModelMetadata | None, tensor_parallel: int) -> None:
    """Nothing, if the model can be cut over that many GPUs.

    Raises:
        TensorParallelError: it cannot; the message names the sizes that work.
    """
    field = f"spec.placement.tensorParallel: {tensor_parallel}"
    if tensor_parallel < 1:
        raise TensorParallelError(f"{field} is not a number of GPUs; give 1 or more")
    obstacle = next(_obstacles(metadata, tensor_parallel), None) if metadata else None
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
