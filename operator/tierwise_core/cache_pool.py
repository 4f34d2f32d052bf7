"""The pool of blocks in which the engine keeps what layers keep of sequences.

vLLM has one pool of equal blocks. Layers that keep the same are put into *groups*, and a block of
the pool holds a number of tokens for all layers of one group. A sequence takes blocks for each
group on its own. That makes three things cost or save memory at once:

- layers with a sliding window of ``w`` tokens hold blocks only for ``w - 1`` tokens and for those
  in flight (two steps of ``--max-num-batched-tokens``), and one block more, since a window need
  not begin at a block's edge;
- groups must be equally large: layers of a kind are split into groups of as many layers as the
  rarest kind has (of the commonest kind, if that has less than 1.5 times as many), the rest of
  the last group is padding;
- every layer's page must be equally large: layers that keep less of a token get more tokens per
  block, or padding. A state-space layer keeps one state per sequence, however long it is, so the
  attention's blocks are made long enough for its page to hold that state.

The engine's own source is the authority: ``vllm/v1/core/kv_cache_utils.py`` (groups, padding),
``vllm/v1/kv_cache_interface.py`` (blocks of a sequence) and ``Platform._align_hybrid_block_size``
(state-space layers) of vLLM 0.32. The tests compare with what a running engine reports.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tierwise_core.layer_cache import CacheKind, LayerCache

__all__ = ["CachePool", "EngineCache", "cache_pool"]

DEFAULT_BLOCK_TOKENS: Final = 16
LATENT_BLOCK_TOKENS: Final = 64
"""FlashMLA's, on the GPUs that large latent models run on."""
LATENT_ALIGNMENT_TOKENS: Final = 128
"""Beside state-space layers, a latent cache's blocks are multiples of this."""
FEW_MORE: Final = 1.5
"""Kinds of layers whose counts differ by less are padded to the larger count."""


@dataclass(frozen=True, slots=True)
class EngineCache:
    """The engine's settings that decide how it keeps the cache.

    Attributes:
        kv_cache_dtype: ``--kv-cache-dtype``, with the model's own for ``auto``.
        tokens_in_flight: tokens of all steps that are scheduled and not done.
        block_tokens: ``--block-size``; ``None`` for the engine's choice.
        grouped: whether the hybrid cache is on; without it every layer counts as full attention.
        prefix_caching: with it a state-space layer keeps several states of each sequence.
        state_value_bytes: by ``--mamba-ssm-cache-dtype``; ``None`` for the model's own.
        pipeline_parallel: nodes that share the layers.
    """

    kv_cache_dtype: str = "auto"
    tokens_in_flight: int = 2 * 8192
    block_tokens: int | None = None
    grouped: bool = True
    prefix_caching: bool = True
    state_value_bytes: int | None = None
    pipeline_parallel: int = 1


@dataclass(frozen=True, slots=True)
class _Page:
    """One kind of layers, once their pages are known: tokens and bytes of one page."""

    cache: LayerCache
    tokens: int
    page_bytes: int

    def blocks(self, context: int, engine: EngineCache, *, alone: bool) -> int:
        """The blocks that one sequence takes in each group of these layers."""
        match self.cache.kind:
            case CacheKind.STATE:
                kept = self.cache.state.kept if self.cache.state else 1
                return kept if engine.prefix_caching and not alone else 1
            case CacheKind.CROSS:
                return -(-self.cache.encoder_tokens // self.tokens)
            case CacheKind.SLIDING:
                held = min(self.cache.window_tokens - 1 + engine.tokens_in_flight, context)
                return -(-held // self.tokens) + 1
            case _:
                return -(-context // self.tokens)


@dataclass(frozen=True, slots=True)
class CachePool:
    """The pool of blocks on one GPU.

    Attributes:
        bytes_per_block: of one block, over all layers of a group.
        groups: the pages of each group, one entry per group.
        engine: the settings it was made for.
    """

    bytes_per_block: int
    groups: tuple[_Page, ...]
    engine: EngineCache

    def sequence_blocks(self, context: int) -> int:
        """The blocks that one sequence of so many tokens may take, over all groups."""
        alone = all(page.cache.kind is CacheKind.STATE for page in self.groups)
        return sum(page.blocks(context, self.engine, alone=alone) for page in self.groups)

    def sequence_bytes(self, context: int) -> int:
        """The bytes of those blocks.

        Two kinds of 13 layers, 2 heads of 32 + 32 values, a window of 64 tokens, 256 tokens in
        flight: each layer keeps 256 bytes of a token, a block of 16 tokens 13 x 16 x 256 bytes.
        A sequence of 1024 tokens takes 64 blocks for the full layers and 21 for the others:

        >>> pool = cache_pool((
        ...     LayerCache(CacheKind.FULL, 13, 2, 64),
        ...     LayerCache(CacheKind.SLIDING, 13, 2, 64, window_tokens=64),
        ... ), 1, EngineCache(tokens_in_flight=256))
        >>> pool.bytes_per_block, pool.sequence_blocks(1024), pool.sequence_bytes(1024)
        (53248, 85, 4526080)
        """
        return self.bytes_per_block * self.sequence_blocks(context)


def cache_pool(
    caches: tuple[LayerCache, ...], tensor_parallel: int, engine: EngineCache
) -> CachePool:
    """The pool that the engine makes for these layers on each GPU.

    Ten full layers and thirty with a window make four groups of ten:

    >>> full = LayerCache(CacheKind.FULL, 10, 8, 256)
    >>> windows = LayerCache(CacheKind.SLIDING, 30, 8, 256, window_tokens=1024)
    >>> pool = cache_pool((full, windows), 1, EngineCache())
    >>> len(pool.groups), pool.bytes_per_block == 10 * 16 * 8 * 256 * 2
    (4, True)
    """
    present = _merged(
        tuple(cache for cache in caches if cache.layers > 0)
        if engine.grouped
        else tuple(_as_full(cache) for cache in caches if cache.layers > 0)
    )
    pages = _pages(present, tensor_parallel, engine)
    if _one_kind(present):
        stage = sum(
            -(-page.cache.layers // engine.pipeline_parallel) * page.page_bytes for page in pages
        )
        return CachePool(stage, pages[:1], engine)
    pages = _equal_pages(pages)
    size = _group_size(pages)
    counts = [-(-page.cache.layers // size) for page in pages]
    widest = max(-(-page.cache.layers // n) for page, n in zip(pages, counts, strict=True))
    return CachePool(
        bytes_per_block=-(-widest // engine.pipeline_parallel) * pages[0].page_bytes,
        groups=tuple(page for page, n in zip(pages, counts, strict=True) for _ in range(n)),
        engine=engine,
    )


def _as_full(cache: LayerCache) -> LayerCache:
    """A windowed layer whose window saves nothing."""
    if cache.kind is not CacheKind.SLIDING:
        return cache
    return replace(cache, kind=CacheKind.FULL, window_tokens=0)


def _merged(caches: tuple[LayerCache, ...]) -> tuple[LayerCache, ...]:
    """Entries that differ in nothing but their number of layers, as one."""
    counts: dict[LayerCache, int] = {}
    for cache in caches:
        kind = replace(cache, layers=0)
        counts[kind] = counts.get(kind, 0) + cache.layers
    return tuple(replace(kind, layers=layers) for kind, layers in counts.items())


def _one_kind(caches: tuple[LayerCache, ...]) -> bool:
    """Whether all layers take the same blocks, so that one group holds them, of whatever width."""
    whole = {CacheKind.FULL, CacheKind.LATENT}
    kinds = {CacheKind.FULL if cache.kind in whole else cache.kind for cache in caches}
    windows = {cache.window_tokens for cache in caches}
    states = {cache.state for cache in caches}
    return len(kinds) <= 1 and len(windows) <= 1 and len(states) <= 1


def _pages(
    caches: tuple[LayerCache, ...], tensor_parallel: int, engine: EngineCache
) -> tuple[_Page, ...]:
    """The page of one layer of each kind, before pages are made equal."""
    rows = [cache.row_bytes(engine.kv_cache_dtype, tensor_parallel) for cache in caches]
    width = engine.state_value_bytes
    states = [c.state.on_each_of(tensor_parallel, width) if c.state else 0 for c in caches]
    latent = any(cache.kind is CacheKind.LATENT for cache in caches)
    chosen = LATENT_BLOCK_TOKENS if latent else DEFAULT_BLOCK_TOKENS
    tokens = engine.block_tokens or chosen
    if any(states) and any(rows):
        tokens = _tokens_for_state(tokens, max(states), max(rows), latent=latent)
        states = [tokens * max(rows) if state else 0 for state in states]
    return tuple(
        _Page(cache, tokens, state or tokens * row)
        for cache, row, state in zip(caches, rows, states, strict=True)
    )


def _tokens_for_state(tokens: int, state: int, row: int, *, latent: bool) -> int:
    """The least multiple of the block whose page holds the state.

    >>> _tokens_for_state(16, 1_000_000, 1024, latent=False)
    992
    """
    unit = max(tokens, LATENT_ALIGNMENT_TOKENS) if latent else tokens
    return max(tokens, unit * -(-state // (unit * row)))


def _equal_pages(pages: tuple[_Page, ...]) -> tuple[_Page, ...]:
    """Pages of the largest one's size: more tokens where that divides, else padding."""
    largest = max(page.page_bytes for page in pages)
    return tuple(
        replace(
            page,
            page_bytes=largest,
            tokens=page.tokens * (1 if largest % page.page_bytes else largest // page.page_bytes)
            if page.cache.kind is not CacheKind.STATE
            else page.tokens,
        )
        for page in pages
    )


def _group_size(pages: tuple[_Page, ...]) -> int:
    """Layers per group: of the rarest kind, or of the commonest if that has few more."""
    counts = [page.cache.layers for page in pages]
    return max(counts) if max(counts) < FEW_MORE * min(counts) else min(counts)
