"""State-space, convolution and linear-attention layers: the state each keeps of a sequence.

The state does not grow with the sequence. In values, before tensor parallel divides it:

============================ ====================================================================
Mamba (Jamba)                ``inner x (conv - 1)`` + ``inner x state``
Mamba 2 (Granite 4, Zamba 2, ``(inner + 2 groups x state) x (conv - 1)`` +
Nemotron-H, Falcon-H1)       ``heads x head_dim x state``
gated delta net (Qwen3-Next) ``(2 key_heads x key_dim + value_heads x value_dim) x (conv - 1)`` +
                             ``value_heads x value_dim x key_dim``
short convolution (LFM2)     ``hidden x (conv - 1)``
============================ ====================================================================

The shapes are those of vLLM 0.32 (``MambaStateShapeCalculator``). The convolution's part is kept in
the model's dtype, the other one in ``mamba_ssm_cache_dtype``, by default the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tierwise_core.layer_cache import StateBytes
from tierwise_core.model_config import LAYERS, LanguageConfig

__all__ = ["StateLayers", "state_layers"]

VALUE_BYTES: Final = 2
DTYPE_BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class StateLayers:
    """How a model's layers divide.

    Attributes:
        states: layers that keep a state.
        attention: layers that keep keys and values; one layer may do both.
        state: what each state takes.
        divisible: counts that tensor parallel must divide, with their names.
    """

    states: int
    attention: int
    state: StateBytes
    divisible: tuple[tuple[int, str], ...] = ()


def state_layers(language: LanguageConfig) -> StateLayers | None:
    """The state layers of a model, ``None`` if its family has none that we know.

    Granite-4.0-H-Tiny: 36 Mamba 2 layers beside 4 of attention, each state 48 heads x 64 x 128
    values and a convolution of 3 x (3072 + 2 x 128), in 2 bytes:

    >>> from tierwise_core.model_config import language_config
    >>> granite = language_config({"model_type": "granitemoehybrid", "hidden_size": 1536,
    ...     "num_hidden_layers": 40, "layer_types": (["mamba"] * 9 + ["attention"]) * 4,
    ...     "mamba_expand": 2, "mamba_n_groups": 1, "mamba_n_heads": 48, "mamba_d_head": 64,
    ...     "mamba_d_state": 128, "mamba_d_conv": 4})
    >>> found = state_layers(granite)
    >>> found.states, found.attention, found.state.on_each_of(1)
    (36, 4, 806400)
    """
    reader = READERS.get(language.model_type)
    return reader(language) if reader else None


def _number(language: LanguageConfig, name: str, default: int | None = None) -> int:
    """A count; an error that names it if it is missing and has no default."""
    value = language.integer((name,))
    if value is None and default is not None:
        return default
    return language.required((name,))


def _listed(language: LanguageConfig, *names: str) -> list[str]:
    """The kinds of the layers, under the first name that the config gives them."""
    for name in names:
        kinds = language.value(name)
        if isinstance(kinds, list):
            return [str(kind) for kind in kinds]
        if isinstance(kinds, str):
            return list(kinds)
    return []


def _mamba1(inner: int, state: int, conv: int) -> StateBytes:
    """The state of Mamba."""
    return StateBytes(inner * (conv - 1) * VALUE_BYTES, inner * state)


@dataclass(frozen=True, slots=True)
class _Mamba2:
    """The names under which a family gives the shape of Mamba 2."""

    heads: str
    head_dim: str
    groups: str
    state: str
    conv: str

    def state_bytes(
        self, language: LanguageConfig, inner: int, state_width: int = VALUE_BYTES
    ) -> StateBytes:
        """The state of one layer."""
        heads, width = _number(language, self.heads), _number(language, self.head_dim)
        state, conv = _number(language, self.state), _number(language, self.conv, 4)
        return StateBytes(
            inner * (conv - 1) * VALUE_BYTES,
            heads * width * state,
            state_width,
            group_bytes=2 * state * (conv - 1) * VALUE_BYTES,
            groups=_number(language, self.groups, 1),
            kept=3,
        )


PREFIXED: Final = _Mamba2(
    "mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state", "mamba_d_conv"
)
ZAMBA: Final = _Mamba2(
    "n_mamba_heads", "mamba_headdim", "mamba_ngroups", "mamba_d_state", "mamba_d_conv"
)
NEMOTRON: Final = _Mamba2(
    "mamba_num_heads", "mamba_head_dim", "n_groups", "ssm_state_size", "conv_kernel"
)
PLAIN: Final = _Mamba2("num_heads", "head_dim", "n_groups", "state_size", "conv_kernel")


def _mamba(language: LanguageConfig) -> StateLayers:
    """Mamba and Falcon-Mamba: nothing but state layers."""
    inner = language.integer(("intermediate_size", "d_inner"))
    if inner is None:
        inner = _number(language, "expand", 2) * _number(language, "hidden_size")
    state = _mamba1(inner, _number(language, "state_size", 16), _number(language, "conv_kernel", 4))
    return StateLayers(language.required(LAYERS), 0, state, ((inner, "state-space width"),))


def _mamba2(language: LanguageConfig) -> StateLayers:
    """Mamba 2 alone."""
    inner = _number(language, "expand", 2) * _number(language, "hidden_size")
    return StateLayers(
        language.required(LAYERS), 0, PLAIN.state_bytes(language, inner), _heads(language, PLAIN)
    )


def _heads(language: LanguageConfig, names: _Mamba2) -> tuple[tuple[int, str], ...]:
    """What tensor parallel must divide."""
    return ((_number(language, names.heads), "state-space heads"),)


def _jamba(language: LanguageConfig) -> StateLayers:
    """Mamba layers, and attention at every ``attn_layer_period``-th."""
    layers = language.required(LAYERS)
    period = _number(language, "attn_layer_period", 8)
    offset = language.value("attn_layer_offset")
    first = offset if isinstance(offset, int) else period // 2
    attention = sum(index % period == first for index in range(layers))
    inner = _number(language, "mamba_expand", 2) * _number(language, "hidden_size")
    state = _mamba1(
        inner, _number(language, "mamba_d_state", 16), _number(language, "mamba_d_conv", 4)
    )
    return StateLayers(layers - attention, attention, state, ((inner, "state-space width"),))


def _granite(language: LanguageConfig) -> StateLayers:
    """Granite 4 and Bamba: a list of layers, or the places of those with attention."""
    layers = language.required(LAYERS)
    places = language.value("attn_layer_indices")
    kinds = _listed(language, "layer_types", "layers_block_type")
    attention = (
        len(places)
        if isinstance(places, list)
        else sum(kind in {"attention", "full_attention"} for kind in kinds[:layers])
    )
    inner = _number(language, "mamba_expand", 2) * _number(language, "hidden_size")
    return StateLayers(
        layers - attention,
        attention,
        PREFIXED.state_bytes(language, inner),
        _heads(language, PREFIXED),
    )


def _zamba(language: LanguageConfig) -> StateLayers:
    """Zamba 2: every layer has a state, the hybrid ones attention beside it."""
    places = language.value("hybrid_layer_ids")
    kinds = _listed(language, "layers_block_type", "layer_types")
    hybrid = len(places) if isinstance(places, list) else kinds.count("hybrid")
    inner = _number(language, "mamba_expand", 2) * _number(language, "hidden_size")
    return StateLayers(
        language.required(LAYERS),
        hybrid,
        ZAMBA.state_bytes(language, inner),
        _heads(language, ZAMBA),
    )


def _nemotron(language: LanguageConfig) -> StateLayers:
    """Nemotron-H: a pattern of letters, or a list; its states are 32 bit unless the config says."""
    kinds = _listed(language, "hybrid_override_pattern", "layers_block_type")
    states = sum(kind in {"M", "mamba"} for kind in kinds)
    attention = sum(kind in {"*", "attention"} for kind in kinds)
    inner = _number(language, NEMOTRON.heads) * _number(language, NEMOTRON.head_dim)
    width = DTYPE_BYTES.get(str(language.value("mamba_ssm_cache_dtype")), 4)
    return StateLayers(
        states, attention, NEMOTRON.state_bytes(language, inner, width), _heads(language, NEMOTRON)
    )


def _falcon_h1(language: LanguageConfig) -> StateLayers:
    """Falcon-H1: a state and attention in every layer."""
    layers = language.required(LAYERS)
    inner = language.integer(("mamba_d_ssm",))
    if inner is None:
        inner = _number(language, "mamba_expand", 2) * _number(language, "hidden_size")
    return StateLayers(
        layers, layers, PREFIXED.state_bytes(language, inner), _heads(language, PREFIXED)
    )


def _qwen_next(language: LanguageConfig) -> StateLayers:
    """Gated delta net, and full attention at every fourth layer."""
    layers = language.required(LAYERS)
    kinds = _listed(language, "layer_types")[:layers]
    period = _number(language, "full_attention_interval", 4)
    attention = kinds.count("full_attention") if kinds else layers // period
    key = _number(language, "linear_num_key_heads") * _number(language, "linear_key_head_dim")
    value = _number(language, "linear_num_value_heads") * _number(language, "linear_value_head_dim")
    conv = _number(language, "linear_conv_kernel_dim", 4) - 1
    width = DTYPE_BYTES.get(str(language.value("mamba_ssm_dtype")), VALUE_BYTES)
    values = value * _number(language, "linear_key_head_dim")
    return StateLayers(
        layers - attention,
        attention,
        StateBytes((2 * key + value) * conv * VALUE_BYTES, values, width),
        (
            (_number(language, "linear_num_key_heads"), "linear-attention key heads"),
            (_number(language, "linear_num_value_heads"), "linear-attention value heads"),
        ),
    )


def _lfm2(language: LanguageConfig) -> StateLayers:
    """Short convolutions, and attention where the list says so."""
    layers = language.required(LAYERS)
    kinds = _listed(language, "layer_types")[:layers]
    places = language.value("full_attn_idxs")
    attention = len(places) if isinstance(places, list) else kinds.count("full_attention")
    width = language.integer(("conv_dim", "hidden_size")) or language.required(("hidden_size",))
    conv = _number(language, "conv_L_cache", 3) - 1
    return StateLayers(
        layers - attention,
        attention,
        StateBytes(width * conv * VALUE_BYTES),
        ((width, "convolution width"),),
    )


READERS: Final[Mapping[str, Callable[[LanguageConfig], StateLayers]]] = {
    "mamba": _mamba,
    "falcon_mamba": _mamba,
    "mamba2": _mamba2,
    "jamba": _jamba,
    "bamba": _granite,
    "granitemoehybrid": _granite,
    "zamba2": _zamba,
    "nemotron_h": _nemotron,
    "falcon_h1": _falcon_h1,
    "qwen3_next": _qwen_next,
    "qwen3_5": _qwen_next,
    "qwen3_5_text": _qwen_next,
    "qwen3_5_moe": _qwen_next,
    "qwen3_5_moe_text": _qwen_next,
    "lfm2": _lfm2,
    "lfm2_moe": _lfm2,
}
