"""Which layers of a model attend to everything, and which through a window.

A config lists its layers (``layer_types``), or leaves it to its family's pattern. Where the list
is missing, the patterns here are those of transformers' configuration classes, which the engine
reads the config with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tierwise_core.model_config import LanguageConfig

__all__ = ["Windows", "windows"]

SLIDING: Final = "sliding_attention"
CHUNKED: Final = "chunked_attention"


@dataclass(frozen=True, slots=True)
class Windows:
    """How many layers have a window, and of how many tokens.

    Attributes:
        full: layers that keep every token.
        sliding: layers that keep the window's.
        tokens: the window.
        note: what was assumed, in words; empty for nothing.
    """

    full: int
    sliding: int = 0
    tokens: int = 0
    note: str = ""


def _every(period: int) -> Callable[[int], bool]:
    """Every ``period``-th layer attends to everything, the last of each run."""
    return lambda index: (index + 1) % period != 0


def _even(index: int) -> bool:
    """The first, third ... layer has the window."""
    return index % 2 == 0


# Families whose class fills in the pattern, with the period's own key if the config may name one.
PERIODS: Final[Mapping[str, tuple[str, int]]] = {
    "cohere2": ("sliding_window_pattern", 4),
    "exaone4": ("sliding_window_pattern", 4),
    "gemma3_text": ("sliding_window_pattern", 6),
    "gemma3": ("sliding_window_pattern", 6),
    "gemma3n_text": ("", 5),
    "olmo3": ("", 4),
}
ALTERNATING: Final = frozenset({"gemma2", "gpt_oss"})
WINDOW_DEFAULTS: Final[Mapping[str, int]] = {
    "cohere2": 4096,
    "exaone4": 4096,
    "gemma2": 4096,
    "gemma3": 4096,
    "gemma3_text": 4096,
    "gemma3n_text": 512,
    "gpt_oss": 128,
    "mistral": 4096,
    "olmo3": 4096,
}
ONE_MORE: Final = frozenset({"cohere2"})
"""Their window counts the tokens before the current one."""
SWITCHED: Final = frozenset(
    {"qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen2_vl_text", "qwen2_5_vl_text", "smollm3"}
)
"""Their window counts only with ``use_sliding_window``."""


BY_LAYER: Final = frozenset({"qwen2", "qwen3", "qwen2_vl_text", "qwen2_5_vl_text"})
"""Their window begins at layer ``max_window_layers``."""
MAX_WINDOW_LAYERS: Final = 28


def windows(language: LanguageConfig, layers: int) -> Windows:
    """The windows of a model's ``layers`` attention layers.

    >>> from tierwise_core.model_config import language_config
    >>> windows(language_config({"model_type": "gemma2", "num_hidden_layers": 26}), 26)
    Windows(full=13, sliding=13, tokens=4096, note='')
    >>> mistral = {"model_type": "mistral", "num_hidden_layers": 32, "sliding_window": None}
    >>> windows(language_config(mistral), 32)
    Windows(full=32, sliding=0, tokens=0, note='')
    """
    tokens = _window_tokens(language)
    kinds = _listed(language, layers)
    if any(kind == CHUNKED for kind in kinds) or language.value("attention_chunk_size"):
        return Windows(layers, note="chunked layers count as full: the engine caches them so")
    if not tokens:
        return Windows(layers)
    if not kinds:
        kinds = _pattern(language, layers)
    sliding = sum(kind == SLIDING for kind in kinds)
    # Without a list, or with one kind in it, the engine gives every layer the window.
    if not kinds:
        return Windows(0, layers, tokens)
    return Windows(layers - sliding, sliding, tokens) if sliding else Windows(layers)


def _window_tokens(language: LanguageConfig) -> int:
    """The window, 0 for none."""
    family = language.model_type
    if family in SWITCHED and language.value("use_sliding_window") is not True:
        return 0
    value = language.value("sliding_window")
    if value is None and "sliding_window" not in language.stated:
        value = WINDOW_DEFAULTS.get(family)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return 0
    return value + 1 if family in ONE_MORE else value


def _listed(language: LanguageConfig, layers: int) -> list[str]:
    """The kinds that the config lists for its attention layers; none if it does not."""
    kinds = language.value("layer_types")
    return [str(kind) for kind in kinds[:layers]] if isinstance(kinds, list) else []


def _pattern(language: LanguageConfig, layers: int) -> list[str]:
    """The kinds by the family's pattern; none if it has no pattern."""
    family = language.model_type
    has_window: Callable[[int], bool]
    if family in ALTERNATING:
        has_window = _even
    elif family in PERIODS:
        key, default = PERIODS[family]
        period = language.value(key) if key else None
        has_window = _every(period if isinstance(period, int) and period > 0 else default)
    elif family in BY_LAYER:
        first = language.value("max_window_layers")
        has_window = (first if isinstance(first, int) else MAX_WINDOW_LAYERS).__le__
    else:
        return []
    return [SLIDING if has_window(index) else "full_attention" for index in range(layers)]
