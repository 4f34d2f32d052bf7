"""The weights of a replica as the engine loads them, and what of them lies on each GPU.

Tensor parallel divides what can be divided. What cannot lies whole on every GPU: norms and biases,
routers, the narrow projections of latent attention, vision towers, and key-value heads where there
are more GPUs than heads. With pipeline parallel the largest stage counts, which has the embedding
or the output layer.
"""

from __future__ import annotations

from typing import Final

from tierwise_core.linear import Cut, Linear, Part
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.weight_bytes import loaded_bytes

__all__ = ["replica_weights_bytes", "weights_on_each_gpu"]

UNKNOWN_BYTES_PER_PARAMETER: Final = 2
WIDE: Final = "F32"
SAVED_PER_WIDE_ELEMENT: Final = 2


def replica_weights_bytes(
    metadata: ModelMetadata | None, overrides: SizeOverrides, demand: Demand | None = None
) -> int:
    """The whole model's weights: the override, else parameters x their width, else the files.

    The engine loads 32-bit files in 16 bit, and quantizes 16-bit ones while it loads them if the
    demand says so.
    """
    if overrides.weights_bytes is not None:
        return overrides.weights_bytes
    if overrides.parameters is None:
        return _loaded(metadata, demand or Demand()) if metadata else 0
    if metadata and metadata.parameters and metadata.weights_bytes:
        return -(-overrides.parameters * metadata.weights_bytes // metadata.parameters)
    return overrides.parameters * UNKNOWN_BYTES_PER_PARAMETER


def _loaded(metadata: ModelMetadata, demand: Demand) -> int:
    """What the engine makes of the files."""
    stored = metadata.weights_bytes
    wide = dict(metadata.parameters_by_dtype).get(WIDE, 0)
    if 2 * wide > metadata.parameters:
        stored = max(0, stored - SAVED_PER_WIDE_ELEMENT * wide)
    if metadata.quantization:
        return stored
    return loaded_bytes(stored, metadata.linears, demand.quantization)


def weights_on_each_gpu(
    metadata: ModelMetadata | None,
    overrides: SizeOverrides,
    demand: Demand,
    tensor_parallel: int,
) -> int:
    """The weights on each GPU of the largest stage, in bytes.

    >>> shape = ModelMetadata("M", 1000, 500, 0, 0, 0, 0, 0, 0, 0, 2, "bfloat16", 0)
    >>> weights_on_each_gpu(shape, SizeOverrides(), Demand(), 4)
    250

    Of 500 parameters 200 lie whole on every GPU:

    >>> from dataclasses import replace
    >>> whole = Linear("norm", 1, 50, count=4, used=4, part=Part.VECTOR, cut=Cut.WHOLE)
    >>> cut = Linear("up_proj", 10, 30, count=1, used=1, part=Part.FEED_FORWARD)
    >>> weights_on_each_gpu(replace(shape, linears=(whole, cut)), SizeOverrides(), Demand(), 4)
    550
    """
    total = replica_weights_bytes(metadata, overrides, demand)
    linears = metadata.linears if metadata else ()
    stage = _largest_stage(total, linears, metadata, demand.pipeline_parallel)
    if tensor_parallel == 1 or metadata is None:
        return -(-stage // tensor_parallel)
    share = _undivided_share(linears, metadata, tensor_parallel)
    return min(stage, -(-stage // tensor_parallel) + int(stage * share))


def _undivided_share(
    linears: tuple[Linear, ...], metadata: ModelMetadata, tensor_parallel: int
) -> float:
    """What each GPU keeps beyond its part, as a share of all weights."""
    total = sum(linear.parameters for linear in linears)
    if not total:
        return 0.0
    whole = sum(linear.parameters for linear in linears if linear.cut is Cut.WHOLE)
    beyond = whole * (1 - 1 / tensor_parallel)
    if metadata.kv_heads and tensor_parallel > metadata.kv_heads and not metadata.latent_attention:
        keys = sum(linear.parameters for linear in linears if linear.cut is Cut.KEY_VALUE)
        beyond += keys * (1 / metadata.kv_heads - 1 / tensor_parallel)
    return beyond / total


def _largest_stage(
    total: int, linears: tuple[Linear, ...], metadata: ModelMetadata | None, stages: int
) -> int:
    """The weights of the largest pipeline stage: its layers and one end of the model."""
    if stages == 1:
        return total
    parameters = sum(linear.parameters for linear in linears)
    ends = [x.parameters for x in linears if x.part in (Part.EMBEDDING, Part.OUTPUT)]
    layers = metadata.layers if metadata else 0
    if not parameters or not layers:
        return -(-total // stages)
    blocks = (parameters - sum(ends)) * -(-layers // stages) / layers
    return min(total, int(total * (blocks + max(ends, default=0)) / parameters) + 1)
