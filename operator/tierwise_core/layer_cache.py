"""What each kind of layer keeps of a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tierwise_core.kv_cache_dtype import latent_row_bytes, row_bytes

__all__ = ["CacheKind", "LayerCache", "StateBytes"]


class CacheKind(StrEnum):
    """What a layer keeps of a sequence."""

    FULL = "FullAttention"  # a key and a value of every token
    SLIDING = "SlidingWindow"  # of the last tokens
    LATENT = "Latent"  # one latent of every token, for all heads at once
    STATE = "State"  # one state, however long the sequence
    CROSS = "CrossAttention"  # a key and a value of every token the encoder read


@dataclass(frozen=True, slots=True)
class StateBytes:
    """The state of a state-space layer for one sequence, before tensor parallel divides it.

    Attributes:
        conv_bytes: of the convolution.
        values: of the recurrent state.
        value_bytes: of one of those, unless the engine is told otherwise.
        group_bytes: what each of its groups adds (Mamba 2's B and C in the convolution).
        groups: how many groups; they are repeated if the GPUs are not a divisor of them.
        kept: how many states of a sequence the engine keeps with prefix caching: the current one,
            the one at the end of the last block and, for Mamba 2, one inside a prompt.

    >>> StateBytes(600, 200, group_bytes=10, groups=1).on_each_of(4)
    260
    """

    conv_bytes: int
    values: int = 0
    value_bytes: int = 2
    group_bytes: int = 0
    groups: int = 0
    kept: int = 2

    def on_each_of(self, tensor_parallel: int, value_bytes: int | None = None) -> int:
        """The bytes on each of so many GPUs."""
        groups = tensor_parallel if self.groups % tensor_parallel else self.groups
        recurrent = self.values * (value_bytes or self.value_bytes)
        total = self.conv_bytes + recurrent + self.group_bytes * groups
        return -(-total // tensor_parallel)


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Like layers and what each of them keeps.

    Attributes:
        kind: of what.
        layers: how many.
        kv_heads: key-value heads, over all GPUs; 1 for a latent.
        values: of one token and head: key and value together, or the latent.
        window_tokens: of a sliding window.
        fixed_row_bytes: a token's bytes whatever the cache's dtype; 0 if the dtype decides.
        encoder_tokens: for cross-attention, the longest input of the encoder.
        state: for state-space layers.
    """

    kind: CacheKind
    layers: int
    kv_heads: int = 0
    values: int = 0
    window_tokens: int = 0
    fixed_row_bytes: int = 0
    encoder_tokens: int = 0
    state: StateBytes | None = None

    def row_bytes(self, kv_cache_dtype: str, tensor_parallel: int) -> int:
        """What one layer keeps of one token on one GPU; 0 for a state.

        >>> LayerCache(CacheKind.FULL, 32, kv_heads=8, values=256).row_bytes("auto", 2)
        2048
        """
        if self.kind is CacheKind.STATE:
            return 0
        if self.fixed_row_bytes:
            return self.fixed_row_bytes
        if self.kind is CacheKind.LATENT:
            return latent_row_bytes(self.values, kv_cache_dtype)
        heads = -(-self.kv_heads // tensor_parallel)
        return heads * row_bytes(self.values, 2, kv_cache_dtype)
