"""Mixtures of experts: how many, how wide, in which layers, and how many one token passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tierwise_core import model_config
from tierwise_core.linear import Cut, Linear, Part
from tierwise_core.model_config import LanguageConfig

__all__ = ["Experts", "experts_of", "experts_per_token"]

COUNTS: Final = (
    "num_local_experts",
    "num_experts",
    "n_routed_experts",
    "moe_num_experts",
    "ffn_config.moe_num_experts",
)
STEPS: Final = ("decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step")


@dataclass(frozen=True, slots=True)
class Experts:
    """The experts of a model.

    Attributes:
        count: routed experts of each layer.
        used: how many of them see one token.
        width: of one expert.
        layers: layers that have experts.
        shared_width: of the experts that see every token, together.
        shared_gate: whether those have a gate of their own.
        dense_width: of the feed-forward in the other layers; 0 for the config's usual one.
        corrected: whether the router has a bias for each expert.
    """

    count: int
    used: int
    width: int
    layers: int
    shared_width: int = 0
    shared_gate: bool = False
    dense_width: int = 0
    corrected: bool = False

    def linears(self, hidden: int, *, biased: bool = False) -> Iterator[Linear]:
        """Router, routed and shared experts.

        >>> mixtral = Experts(count=8, used=2, width=14336, layers=32)
        >>> sum(part.parameters for part in mixtral.linears(4096)) // 10**6
        45098
        """
        layers, routed, used = self.layers, self.layers * self.count, self.layers * self.used
        yield Linear("gate", hidden, self.count, layers, layers, Part.ROUTER, Cut.WHOLE)
        yield Linear("experts.gate_proj", hidden, self.width, routed, used, Part.EXPERT)
        yield Linear("experts.up_proj", hidden, self.width, routed, used, Part.EXPERT)
        yield Linear("experts.down_proj", self.width, hidden, routed, used, Part.EXPERT, Cut.INPUTS)
        if biased:
            width = self.count * (2 * self.width + hidden + 1)
            yield Linear("experts.bias", 1, width, layers, layers, Part.VECTOR)
        if self.corrected:
            yield Linear("gate.bias", 1, self.count, layers, layers, Part.VECTOR, Cut.WHOLE)
        if self.shared_width:
            yield from self._shared(hidden)

    def _shared(self, hidden: int) -> Iterator[Linear]:
        """The experts that see every token."""
        layers, width, part = self.layers, self.shared_width, Part.FEED_FORWARD
        for name in ("shared.gate_proj", "shared.up_proj"):
            yield Linear(name, hidden, width, layers, layers, part)
        yield Linear("shared.down_proj", width, hidden, layers, layers, part, Cut.INPUTS)
        if self.shared_gate:
            yield Linear("shared_gate", hidden, 1, layers, layers, Part.ROUTER, Cut.WHOLE)

    def parameters(self, hidden: int) -> int:
        """All values of them."""
        return sum(part.parameters for part in self.linears(hidden))


def experts_per_token(language: LanguageConfig) -> int:
    """Routed experts per token; some families list it per layer, and the largest counts."""
    for name in model_config.EXPERTS_PER_TOKEN:
        value = language.value(name)
        counts = value if isinstance(value, list) else [value]
        known = [count for count in counts if type(count) is int]
        if known:
            return max(known)
    return 0


def experts_of(language: LanguageConfig) -> Experts | None:
    """The experts that a config describes, ``None`` for a dense model.

    >>> from tierwise_core.model_config import language_config
    >>> experts_of(language_config({"model_type": "mixtral", "num_hidden_layers": 32,
    ...     "num_local_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 14336}))
    Experts(count=8, used=2, width=14336, layers=32, shared_width=0, shared_gate=False, \
dense_width=0, corrected=False)
    """
    count = language.integer(COUNTS)
    used = experts_per_token(language)
    if not count or count == 1 or not used:
        return None
    width = language.integer(model_config.EXPERT_WIDTH)
    if width is None:
        width = language.required(model_config.INTERMEDIATE)
    shared, gate = _shared_width(language, width)
    return Experts(
        count=count,
        used=used,
        width=width,
        layers=_layers(language),
        shared_width=shared,
        shared_gate=gate,
        dense_width=language.integer_or_zero("intermediate_size_mlp"),
        corrected=language.value("topk_method") == "noaux_tc",
    )


def _shared_width(language: LanguageConfig, width: int) -> tuple[int, bool]:
    """The width of the shared experts together, and whether they have a gate."""
    if language.model_type == "llama4_text":
        return width, False
    one = language.integer_or_zero("shared_expert_intermediate_size")
    if one:
        return one, True
    granite = language.integer_or_zero("shared_intermediate_size")
    return granite or language.integer_or_zero("n_shared_experts") * width, False


def _layers(language: LanguageConfig) -> int:
    """The layers with experts."""
    layers = language.required(model_config.LAYERS)
    first = language.integer_or_zero("first_k_dense_replace")
    steps = [language.integer_or_zero(name) for name in STEPS]
    listed = language.value("moe_layers")
    if isinstance(listed, list) and listed:
        return min(len(listed), layers)
    dense = language.value("mlp_only_layers")
    skipped = {index for index in dense if type(index) is int} if isinstance(dense, list) else set()
    every = max(1, *steps)
    return sum(
        index >= first and (index + 1) % every == 0 and index not in skipped
        for index in range(layers)
    )
