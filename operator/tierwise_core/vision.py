"""The tower that turns pictures into tokens, and what its tokens take while they wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.linear import Cut, Linear, Part
from tierwise_core.model_config import LARGEST_COUNT

__all__ = ["image_tokens", "vision_heads", "vision_linears", "vision_width"]

LAYERS: Final = ("num_hidden_layers", "depth", "num_layers")
HIDDEN: Final = ("hidden_size", "embed_dim")
INTERMEDIATE: Final = ("intermediate_size", "mlp_dim")
GATED: Final = frozenset({"qwen2_5_vl", "pixtral"})
CHANNELS: Final = 3
MERGED_PATCHES: Final = 4

# transformers' defaults of a vision_config that names only its type.
DEFAULTS: Final[Mapping[str, Mapping[str, int]]] = {
    "siglip_vision_model": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "intermediate_size": 3072,
        "image_size": 224,
        "patch_size": 16,
    },
    "pixtral": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "intermediate_size": 4096,
        "image_size": 1024,
        "patch_size": 16,
    },
}


@dataclass(frozen=True, slots=True)
class _Tower:
    """The vision part of a config."""

    values: Mapping[str, Any]

    @property
    def family(self) -> str:
        """Its ``model_type``."""
        return str(self.values.get("model_type"))

    def number(self, *names: str) -> int:
        """The first of these that is a count, else the type's default, else 0."""
        for name in names:
            value = self.values.get(name)
            if type(value) is int and 0 < value <= LARGEST_COUNT:
                return value
        defaults = DEFAULTS.get(self.family, {})
        return next((defaults[name] for name in names if name in defaults), 0)


def _tower(config: Mapping[str, Any]) -> _Tower | None:
    """The vision part, ``None`` for a model without."""
    values = config.get("vision_config")
    if not isinstance(values, Mapping) or not values:
        return None
    tower = _Tower(values)
    return tower if tower.number(*LAYERS) and tower.number(*HIDDEN) else None


def vision_linears(config: Mapping[str, Any], hidden: int) -> Iterator[Linear]:
    """The tower's matrices: patches, positions, blocks, and the projection into the language model.

    Gemma-3's (SigLIP So400m, 27 blocks of 1152, 4304) with its projection to 5376:

    >>> gemma = {"vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152,
    ...     "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14,
    ...     "image_size": 896}}
    >>> round(sum(part.parameters for part in vision_linears(gemma, 5376)) / 10**6, 1)
    423.1
    """
    tower = _tower(config)
    if tower is None:
        return
    layers, width = tower.number(*LAYERS), tower.number(*HIDDEN)
    inner = tower.number(*INTERMEDIATE) or 4 * width
    patch = tower.number("patch_size", "spatial_patch_size") or 14
    side = tower.number("image_size") // patch
    gated = 3 if tower.family in GATED else 2
    values = CHANNELS * patch * patch * (tower.number("temporal_patch_size") or 1)
    yield _of_tower("patch_embedding", values, width, 1)
    if side:
        yield _of_tower("position_embedding", side * side, width, 1)
    yield _of_tower("attention", width, 4 * (width + 1), layers)
    yield _of_tower("mlp", width, gated * inner, layers)
    yield _of_tower("vectors", 1, inner + 5 * width, layers)
    yield from _projection(tower, width, hidden)


def _projection(tower: _Tower, width: int, hidden: int) -> Iterator[Linear]:
    """From the tower's width to the language model's: one matrix, or two over merged patches."""
    merged = tower.number("spatial_merge_size")
    if tower.family == "llama4_vision_model":
        inner, output = tower.number("projector_input_dim"), tower.number("projector_output_dim")
        yield _of_tower("pixel_shuffle", MERGED_PATCHES * width, inner, 1)
        yield _of_tower("pixel_shuffle.out", inner, output, 1)
        yield _of_tower("projector", output, hidden, 1)
    elif merged:
        inner = width * merged * merged
        yield _of_tower("merger", inner, inner + hidden, 1)
    else:
        yield _of_tower("projector", width, hidden, 1)


def _of_tower(module: str, inputs: int, outputs: int, count: int) -> Linear:
    """A part of the tower, which each GPU is taken to keep whole."""
    return Linear(module, inputs, outputs, count, 0, Part.VISION, Cut.WHOLE)


def image_tokens(config: Mapping[str, Any]) -> int:
    """The tokens of the largest picture, 0 for a model without a tower.

    Where the config does not say it: the patches of a picture of the tower's size.

    >>> image_tokens({"mm_tokens_per_image": 256, "vision_config": {"hidden_size": 1152,
    ...     "num_hidden_layers": 27}})
    256
    """
    tower = _tower(config)
    if tower is None:
        return 0
    stated = config.get("mm_tokens_per_image")
    if type(stated) is int and 0 < stated <= LARGEST_COUNT:
        return stated
    patch = tower.number("patch_size", "spatial_patch_size") or 14
    side = (tower.number("image_size") or 1024) // patch
    merged = tower.number("spatial_merge_size") or 1
    return max(1, side * side // (merged * merged))


def vision_heads(config: Mapping[str, Any]) -> tuple[tuple[int, str], ...]:
    """The tower's heads, which tensor parallel must divide.

    >>> vision_heads({"vision_config": {"hidden_size": 1280, "depth": 32, "num_heads": 16}})
    ((16, 'heads of the vision tower'),)
    """
    tower = _tower(config)
    heads = tower.number("num_attention_heads", "num_heads") if tower else 0
    return ((heads, "heads of the vision tower"),) if heads else ()


def vision_width(config: Mapping[str, Any]) -> int:
    """Values the tower holds at once for each token it gives to the language model.

    For every patch behind a token: the stream and its norm, queries, keys and values, or both sides
    of the feed-forward.

    >>> vision_width({"mm_tokens_per_image": 256, "vision_config": {"hidden_size": 1152,
    ...     "num_hidden_layers": 27, "intermediate_size": 4304, "patch_size": 14,
    ...     "image_size": 896}})
    174592
    """
    tower = _tower(config)
    if tower is None:
        return 0
    width = tower.number(*HIDDEN)
    inner = tower.number(*INTERMEDIATE) or 4 * width
    patch = tower.number("patch_size", "spatial_patch_size") or 14
    side = (tower.number("image_size") or 1024) // patch
    patches = -(-side * side // image_tokens(config))
    return patches * (2 * width + max(4 * width, 2 * inner))
