"""What a ``config.json`` says about quantized weights, as far as sizing needs it.

The bytes of a quantized model are those of its files, scales and zero points included. What the
files hide is how many weights those are, since small integers are packed into larger ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["kv_cache_dtype_of", "packed_bits", "quantization_method", "unpacked_parameters"]

CONTAINER_BITS: Final = {"I32": 32, "U32": 32, "U8": 8, "I8": 8}
FOUR_BIT_METHODS: Final = frozenset({"mxfp4", "nvfp4"})
FOUR_BITS: Final = 4


def quantization_method(config: Mapping[str, Any]) -> str:
    """The method's name (``awq``, ``gptq``, ``fp8``, ``compressed-tensors`` ...), else empty.

    >>> quantization_method({"quantization_config": {"quant_method": "awq", "bits": 4}})
    'awq'
    """
    quantization = config.get("quantization_config")
    if not isinstance(quantization, Mapping):
        return ""
    return str(quantization.get("quant_method") or "unnamed")


def packed_bits(config: Mapping[str, Any]) -> int | None:
    """Bits of one weight that is packed into a larger integer; ``None`` if none is.

    >>> packed_bits({"quantization_config": {"quant_method": "gptq", "bits": 4}})
    4
    >>> packed_bits({"quantization_config": {"load_in_4bit": True}}), packed_bits({})
    (4, None)
    """
    quantization = config.get("quantization_config")
    if not isinstance(quantization, Mapping):
        return None
    if quantization.get("load_in_4bit") or quantization.get("quant_method") in FOUR_BIT_METHODS:
        return FOUR_BITS
    bits = quantization.get("bits") or _group_bits(quantization)
    return bits if isinstance(bits, int) and bits > 0 else None


def _group_bits(quantization: Mapping[str, Any]) -> Any:
    """The width that compressed-tensors writes for the weights of its first group."""
    groups = quantization.get("config_groups")
    if not isinstance(groups, Mapping):
        return None
    for group in groups.values():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(weights, Mapping):
            return weights.get("num_bits")
    return None


def kv_cache_dtype_of(config: Mapping[str, Any]) -> str:
    """What the engine takes ``--kv-cache-dtype auto`` for: a checkpoint may ask for a narrow cache.

    >>> kv_cache_dtype_of({"quantization_config": {"quant_method": "compressed-tensors",
    ...     "kv_cache_scheme": {"num_bits": 8, "type": "float"}}})
    'fp8'
    >>> kv_cache_dtype_of({"quantization_config": {"quant_method": "awq", "bits": 4}})
    'auto'
    """
    quantization = config.get("quantization_config")
    if not isinstance(quantization, Mapping):
        return "auto"
    if quantization_method(config).startswith("modelopt"):
        inner = quantization.get("quantization", quantization)
        algorithm = inner.get("kv_cache_quant_algo") if isinstance(inner, Mapping) else None
        return {"FP8": "fp8_e4m3", "NVFP4": "nvfp4"}.get(str(algorithm).upper(), "auto")
    return "fp8" if quantization.get("kv_cache_scheme") else "auto"


def unpacked_parameters(elements: Mapping[str, int], bits: int | None) -> int:
    """The number of weights, each packed integer counted as the weights it holds.

    An I32 of a 4-bit model holds eight:

    >>> unpacked_parameters({"I32": 1000, "F16": 24}, bits=4)
    8024
    >>> unpacked_parameters({"BF16": 1000}, bits=None)
    1000
    """
    return sum(
        count * max(1, CONTAINER_BITS.get(dtype, 0) // (bits or CONTAINER_BITS.get(dtype, 1)))
        for dtype, count in elements.items()
    )
