"""The same fact under the names that model families give it in ``config.json``.

Families disagree on names (``num_hidden_layers``, ``n_layer`` ...), nest the language model of a
multimodal one, and leave out what equals their class's default. This module hides that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.errors import UnknownArchitectureError

__all__ = ["KV_CACHE_FIX", "LanguageConfig", "kv_heads", "language_config"]

KV_CACHE_FIX: Final = (
    "set spec.model.size.kvBytesPerToken (and spec.model.maxModelLen) to settle it"
)

HIDDEN: Final = ("hidden_size", "n_embd", "d_model", "n_embed", "model_dim")
LAYERS: Final = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HEADS: Final = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KV_HEADS: Final = (
    "num_key_value_heads",
    "num_kv_heads",
    "n_head_kv",
    "multi_query_group_num",
    "attn_config.kv_n_heads",
)
HEAD_DIM: Final = ("head_dim", "kv_channels", "attention_head_dim")
INTERMEDIATE: Final = (
    "intermediate_size",
    "ffn_dim",
    "n_inner",
    "ffn_hidden_size",
    "ffn_config.ffn_hidden_size",
)
VOCAB: Final = ("padded_vocab_size", "vocab_size")
CONTEXT: Final = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_sequence_length",
    "n_ctx",
)
EXPERTS_PER_TOKEN: Final = (
    "num_experts_per_tok",
    "experts_per_token",
    "moe_top_k",
    "moe_topk",
    "ffn_config.moe_top_k",
)
EXPERT_WIDTH: Final = ("moe_intermediate_size", "expert_ffn_hidden_size")

LARGEST_COUNT: Final = 2**31
"""No width, vocabulary or length of a model comes near it."""

NESTED: Final = ("text_config", "llm_config", "language_config", "thinker_config", "decoder_config")

# A nested config is written as the difference to its class's defaults. These are the defaults (of
# transformers' configuration classes) of the families that multimodal models are built on.
CLASS_DEFAULTS: Final[Mapping[str, Mapping[str, int]]] = {
    "llama": {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "intermediate_size": 11008,
        "max_position_embeddings": 2048,
        "vocab_size": 32000,
    },
    "mistral": {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "max_position_embeddings": 131072,
        "vocab_size": 32000,
    },
    "gemma3_text": {
        "hidden_size": 2304,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "intermediate_size": 9216,
        "max_position_embeddings": 131072,
        "vocab_size": 262208,
    },
}


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    """The part of a ``config.json`` that describes the language model.

    Attributes:
        values: the language model's own keys, defaults of its class filled in.
        outer: the whole config, where dtype and quantization of a nested one stand.
        assumptions: which defaults were filled in.
        stated: the keys that are written, also those written as null.
    """

    values: Mapping[str, Any]
    outer: Mapping[str, Any]
    assumptions: tuple[str, ...]
    stated: frozenset[str] = frozenset()

    @property
    def model_type(self) -> str:
        """The family, such as ``llama``; empty if the config does not say."""
        return str(self.values.get("model_type") or self.outer.get("model_type") or "")

    @property
    def architecture(self) -> str:
        """The class that loads the whole model, else the family."""
        names = self.outer.get("architectures") or self.values.get("architectures")
        if isinstance(names, list) and names:
            return str(names[0])
        return self.model_type or "unknown"

    def value(self, name: str) -> Any:
        """The value of a key, a dot reaching into a nested object; ``None`` if it is not there."""
        found: Any = self.values
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def either(self, *names: str) -> Any:
        """The first of these keys that is set, in the language model's part or the outer one."""
        for name in names:
            for config in (self.values, self.outer):
                if config.get(name) is not None:
                    return config[name]
        return None

    def integer(self, names: tuple[str, ...]) -> int | None:
        """The first of these keys that is set, as a count; ``None`` if none is.

        Raises:
            UnknownArchitectureError: it is set to something that is no positive whole number.
        """
        for name in names:
            value = self.value(name)
            if value is not None:
                return _count(name, value)
        return None

    def required(self, names: tuple[str, ...]) -> int:
        """Like :meth:`integer`, and an error if none of the keys is set."""
        value = self.integer(names)
        if value is None:
            raise UnknownArchitectureError(
                f"config.json of {self.architecture} has none of {', '.join(names)}; {KV_CACHE_FIX}"
            )
        return value

    def integer_or_zero(self, name: str) -> int:
        """A count that may be missing or of another kind, which counts as 0."""
        value = self.value(name)
        return value if type(value) is int and 0 < value <= LARGEST_COUNT else 0


def kv_heads(language: LanguageConfig, heads: int) -> int:
    """Key-value heads: one for multi-query, the stated groups, else one per attention head.

    >>> kv_heads(language_config({"multi_query": True, "num_hidden_layers": 32}), 71)
    1
    """
    if language.value("multi_query") is True and not language.value("new_decoder_architecture"):
        return 1
    if language.value("multi_query_attention") is False:
        return heads
    return language.integer(KV_HEADS) or heads


def _count(name: str, value: Any) -> int:
    """A positive whole number, also when JSON wrote it as a float."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 1 <= value <= LARGEST_COUNT:
        raise UnknownArchitectureError(
            f"config.json: {name} is {value!r}, not a positive whole number; {KV_CACHE_FIX}"
        )
    return int(value)


def language_config(config: Mapping[str, Any]) -> LanguageConfig:
    """The language model's part of a whole ``config.json``.

    >>> language_config({"model_type": "llava", "text_config": {"model_type": "llama"}}).model_type
    'llama'
    """
    inner = _innermost(config)
    defaults = CLASS_DEFAULTS.get(str(inner.get("model_type")), {}) if inner is not config else {}
    absent = {key: value for key, value in defaults.items() if inner.get(key) is None}
    stated = ", ".join(f"{key} {value}" for key, value in absent.items())
    note = (f"not in the config, so {inner.get('model_type')}'s defaults count: {stated}",)
    return LanguageConfig(
        values={**absent, **{key: value for key, value in inner.items() if value is not None}},
        outer=config,
        assumptions=note if absent else (),
        stated=frozenset(map(str, inner)),
    )


def _innermost(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config of the language model: the outer one if it has layers, else a nested one."""
    if any(config.get(name) is not None for name in LAYERS):
        return config
    for name in NESTED:
        nested = config.get(name)
        if isinstance(nested, Mapping):
            return _innermost(nested)
    return config
