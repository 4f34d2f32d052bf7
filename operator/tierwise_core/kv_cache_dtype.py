"""What one cached value takes, by the engine's ``--kv-cache-dtype``."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from tierwise_core.errors import InvalidSizeError

__all__ = ["KV_CACHE_DTYPES", "check_kv_cache_dtype", "latent_row_bytes", "row_bytes"]

WIDTHS: Final = {
    "bfloat16": Fraction(2),
    "float16": Fraction(2),
    "fp8": Fraction(1),
    "fp8_e4m3": Fraction(1),
    "fp8_e5m2": Fraction(1),
    "fp8_inc": Fraction(1),
    "fp8_per_token_head": Fraction(1),
    "int8_per_token_head": Fraction(1),
    "nvfp4": Fraction(1, 2) + Fraction(1, 16),  # packed pairs, and a scale for every 16 values
}
ROW_SCALE_BYTES: Final = {"fp8_per_token_head": 4, "int8_per_token_head": 4}
"""A 32-bit scale for each head's key and another for its value."""
LATENT_ROW_BYTES: Final = {"fp8_ds_mla": 656}
"""DeepSeek's sparse attention: 512 values in 8 bit, four scales, 64 rotary values in 16 bit."""

KV_CACHE_DTYPES: Final = ("auto", *WIDTHS, *LATENT_ROW_BYTES)


def check_kv_cache_dtype(kv_cache_dtype: str) -> None:
    """Nothing, if the engine knows the dtype.

    Raises:
        InvalidSizeError: it does not; the message names those it does.
    """
    if kv_cache_dtype not in KV_CACHE_DTYPES:
        raise InvalidSizeError(
            f"spec.model.kvCacheDtype: {kv_cache_dtype!r} is not known; "
            f"give one of {', '.join(KV_CACHE_DTYPES)}"
        )


def row_bytes(values: int, parts: int, kv_cache_dtype: str, own_bytes: int = 2) -> int:
    """What one key-value head keeps of one token.

    Args:
        values: of key and value together.
        parts: 2 for a key and a value, 1 for a latent.
        kv_cache_dtype: vLLM's ``--kv-cache-dtype``.
        own_bytes: the width under ``auto``: the model's own.

    >>> [row_bytes(256, 2, dtype) for dtype in ("auto", "fp8", "fp8_per_token_head", "nvfp4")]
    [512, 256, 264, 144]
    """
    check_kv_cache_dtype(kv_cache_dtype)
    width = WIDTHS.get(kv_cache_dtype, Fraction(own_bytes))
    return int(values * width) + parts * ROW_SCALE_BYTES.get(kv_cache_dtype, 0)


def latent_row_bytes(values: int, kv_cache_dtype: str, own_bytes: int = 2) -> int:
    """What latent attention keeps of one token in one layer.

    >>> [latent_row_bytes(576, dtype) for dtype in ("auto", "fp8", "fp8_ds_mla")]
    [1152, 576, 656]
    """
    packed = LATENT_ROW_BYTES.get(kv_cache_dtype)
    return packed if packed is not None else row_bytes(values, 1, kv_cache_dtype, own_bytes)
