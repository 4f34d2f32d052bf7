"""LoRA adapters: the memory the engine sets aside for them, and which adapters it can load.

vLLM reserves room for ``max_loaded`` adapters of ``max_rank`` in every linear layer it has, before
any adapter is there, whether or not an adapter touches that layer. For a layer of ``inputs`` and
``outputs`` that is::

    max_loaded x max_rank x (inputs + outputs) x 2 bytes

Tensor parallel divides the side that the layer itself is divided along: the outputs of column-wise
layers (queries, keys, values, gate, up), the inputs of row-wise ones (attention output, down). The
other side stays whole on every GPU. Llama-like models adapt the embedding and the output layer too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from tierwise_core.errors import InvalidAdapterError
from tierwise_core.linear import Cut, Linear, Part
from tierwise_core.model_metadata import AdapterLimits, ModelMetadata

__all__ = [
    "AdapterFacts",
    "AdapterLimits",
    "check_adapter",
    "engine_max_rank",
    "lora_bytes_per_gpu",
    "read_adapter",
]

ENGINE_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's ``--max-lora-rank`` accepts."""
LORA_DTYPE_BYTES: Final = 2
NO_SHAPES: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType({})
REFUSED: Final = {
    "use_dora": "DoRA",
    "lora_bias": "LoRA biases",
    "layer_replication": "layer replication",
    "use_qalora": "QALoRA",
}
OF_A_TOWER: Final = re.compile(r"vision|visual|audio|multi_modal")
MODULE: Final = re.compile(
    r"(?:^|\.)([A-Za-z0-9_]+)\.lora_([AB])(?:\.[A-Za-z0-9_]+)?(?:\.weight)?$"
)


@dataclass(frozen=True, slots=True)
class AdapterFacts:
    """What an adapter's own files say.

    Attributes:
        rank: its largest rank.
        target_modules: the last words of the names of the layers it changes; empty if it says so
            by a pattern that only the files' tensors resolve.
        base_model: the model it was trained on, as it names it; may be a path of another machine.
        widths: ``(module, inputs, outputs)`` for each module in the files: what it expects of the
            layer, 0 where a half is missing.
    """

    rank: int
    target_modules: tuple[str, ...]
    base_model: str = ""
    widths: tuple[tuple[str, int, int], ...] = ()


def engine_max_rank(max_rank: int) -> int:
    """The next rank that vLLM's ``--max-lora-rank`` accepts.

    Raises:
        InvalidAdapterError: none is that large.

    >>> engine_max_rank(16), engine_max_rank(24), engine_max_rank(300)
    (16, 32, 320)
    """
    accepted = [rank for rank in ENGINE_RANKS if rank >= max_rank]
    if max_rank < 1 or not accepted:
        raise InvalidAdapterError(
            f"spec.model.adapterLimits.maxRank: {max_rank} is not possible; "
            f"give 1 to {ENGINE_RANKS[-1]}"
        )
    return accepted[0]


def lora_bytes_per_gpu(
    linears: tuple[Linear, ...], limits: AdapterLimits, tensor_parallel: int, kv_heads: int = 0
) -> int:
    """What the engine sets aside on each GPU for adapters, in bytes.

    Args:
        linears: the base model's matrices.
        limits: how many adapters of which rank.
        tensor_parallel: over how many GPUs the layers are cut.
        kv_heads: key-value heads of the model; 0 if not known.

    One 4096 x 4096 layer, cut by its outputs, four adapters of rank 16, in 2 bytes:

    >>> layer = Linear("q_proj", 4096, 4096, count=1, used=1, part=Part.ATTENTION)
    >>> lora_bytes_per_gpu((layer,), AdapterLimits(16, 4), 1)
    1048576
    >>> lora_bytes_per_gpu((layer,), AdapterLimits(16, 4), 2)
    786432
    """
    rank = engine_max_rank(limits.max_rank)
    values = sum(
        _sides(linear, tensor_parallel, kv_heads) * linear.count
        for linear in linears
        if linear.part not in (Part.VECTOR, Part.VISION) and _wanted(linear, limits)
    )
    return limits.max_loaded * rank * values * LORA_DTYPE_BYTES


def _wanted(linear: Linear, limits: AdapterLimits) -> bool:
    """Whether the engine adapts this layer: all of them, unless ``--lora-target-modules`` names."""
    word = linear.module.rsplit(".", 1)[-1]
    return not limits.target_modules or word in limits.target_modules


def _sides(linear: Linear, tensor_parallel: int, kv_heads: int) -> int:
    """Inputs and outputs of a layer on one GPU."""
    if linear.cut is Cut.OUTPUTS:
        return linear.inputs + -(-linear.outputs // tensor_parallel)
    if linear.cut is Cut.INPUTS:
        return -(-linear.inputs // tensor_parallel) + linear.outputs
    if linear.cut is Cut.KEY_VALUE:
        shards = min(tensor_parallel, kv_heads or tensor_parallel)
        return linear.inputs + -(-linear.outputs // shards)
    return linear.inputs + linear.outputs


def read_adapter(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]] = NO_SHAPES
) -> AdapterFacts:
    """What an adapter says of itself.

    Args:
        config: its ``adapter_config.json``, parsed.
        shapes: its tensors' shapes by name, from the header of ``adapter_model.safetensors``.

    Raises:
        InvalidAdapterError: it is no LoRA adapter, or one with what vLLM does not do.

    >>> facts = read_adapter(
    ...     {"peft_type": "LORA", "r": 8, "target_modules": ["q_proj", "v_proj"]},
    ...     {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": (8, 64),
    ...      "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": (96, 8)})
    >>> facts.rank, facts.target_modules, facts.widths
    (8, ('q_proj', 'v_proj'), (('q_proj', 64, 96),))
    """
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        raise InvalidAdapterError(
            f"adapter_config.json: peft_type is {kind!r}; give a LORA adapter"
        )
    refused = [words for field, words in REFUSED.items() if config.get(field)]
    if refused:
        raise InvalidAdapterError(
            f"adapter_config.json: the engine does not do {' or '.join(refused)}; train the "
            "adapter without"
        )
    widths = _widths(shapes)
    modules = _modules(config.get("target_modules")) or tuple(width[0] for width in widths)
    return AdapterFacts(
        rank=max([_rank(config.get("r")), *_pattern_ranks(config.get("rank_pattern"))]),
        target_modules=modules,
        base_model=str(config.get("base_model_name_or_path") or ""),
        widths=widths,
    )


def _rank(value: Any) -> int:
    """A rank as the config states it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidAdapterError(
            f"adapter_config.json: r is {value!r}, not a rank; it must be 1 or more"
        )
    return value


def _pattern_ranks(pattern: Any) -> list[int]:
    """The ranks that single layers have of their own."""
    return [_rank(value) for value in pattern.values()] if isinstance(pattern, Mapping) else []


def _modules(value: Any) -> tuple[str, ...]:
    """The last words of a list of names; a pattern (a string) names nothing that can be checked."""
    if not isinstance(value, list):
        return ()
    return tuple(sorted({str(name).rsplit(".", 1)[-1] for name in value}))


def _widths(shapes: Mapping[str, tuple[int, ...]]) -> tuple[tuple[str, int, int], ...]:
    """Inputs (of A) and outputs (of B) for each module; 0 where a half is not in the files."""
    found: dict[str, dict[str, int]] = {}
    for name, shape in shapes.items():
        match = None if OF_A_TOWER.search(name) else MODULE.search(name)
        if match and len(shape) == 2:  # noqa: PLR2004 - a matrix
            half = shape[1] if match[2] == "A" else shape[0]
            found.setdefault(match[1], {})[match[2]] = half
    return tuple(
        (module, half.get("A", 0), half.get("B", 0)) for module, half in sorted(found.items())
    )


def check_adapter(
    name: str, adapter: AdapterFacts, limits: AdapterLimits, metadata: ModelMetadata | None
) -> None:
    """Nothing, if the engine can load the adapter beside the model.

    Args:
        name: the adapter's name in ``spec.model.adapters``.
        adapter: what its files say.
        limits: ``spec.model.adapterLimits``.
        metadata: the base model; ``None`` if it was not read, and only the rank is checked.

    Raises:
        InvalidAdapterError: its rank is over the limit, it changes layers that the base does not
            have, or layers of another width.

    >>> check_adapter("terse", AdapterFacts(64, ("q_proj",)), AdapterLimits(16, 4), None)
    Traceback (most recent call last):
    ...
    tierwise_core.errors.InvalidAdapterError: spec.model.adapters: 'terse' has rank 64, \
spec.model.adapterLimits.maxRank is 16; set maxRank to 64 or train the adapter with 16 or less
    """
    if adapter.rank > limits.max_rank:
        raise InvalidAdapterError(
            f"spec.model.adapters: {name!r} has rank {adapter.rank}, "
            f"spec.model.adapterLimits.maxRank is {limits.max_rank}; set maxRank to "
            f"{engine_max_rank(adapter.rank)} or train the adapter with {limits.max_rank} or less"
        )
    if metadata is None or not metadata.linears:
        return
    layers: dict[str, set[tuple[int, int]]] = {}
    for linear in metadata.linears:
        if linear.part not in (Part.VECTOR, Part.VISION):
            word = linear.module.rsplit(".", 1)[-1]
            layers.setdefault(word, set()).add((linear.inputs, linear.outputs))
    if not metadata.image_tokens:  # a vision tower has modules of its own that we do not list
        _check_modules(name, adapter, layers, metadata.architecture)
    _check_widths(name, adapter, layers, metadata.architecture)


def _check_modules(
    name: str,
    adapter: AdapterFacts,
    layers: Mapping[str, set[tuple[int, int]]],
    architecture: str,
) -> None:
    """Every module that the adapter changes must be one of the base's."""
    strange = [module for module in adapter.target_modules if module not in layers]
    if strange:
        raise InvalidAdapterError(
            f"spec.model.adapters: {name!r} changes {', '.join(strange)}, which {architecture} "
            f"does not have ({', '.join(sorted(layers))}); {_of_another_base(adapter)}"
        )


def _check_widths(
    name: str,
    adapter: AdapterFacts,
    layers: Mapping[str, set[tuple[int, int]]],
    architecture: str,
) -> None:
    """Every module must have the width that the adapter was trained for."""
    for module, inputs, outputs in adapter.widths:
        fitting = [
            shape
            for shape in layers.get(module, ())
            if inputs in (0, shape[0]) and outputs in (0, shape[1])
        ]
        if module in layers and not fitting:
            base = " or ".join(f"{i} x {o}" for i, o in sorted(layers[module]))
            raise InvalidAdapterError(
                f"spec.model.adapters: {name!r} expects {module} of {inputs} x {outputs}, that of "
                f"{architecture} is {base}; {_of_another_base(adapter)}"
            )


def _of_another_base(adapter: AdapterFacts) -> str:
    """What would be right."""
    trained = f" (it was trained on {adapter.base_model})" if adapter.base_model else ""
    return f"give an adapter of this base model{trained}"
