"""What a model's weights take once they are quantized: scales and zero points included.

A file's own bytes are exact and win. This computes them from the config where the files cannot be
read, and what 16-bit files take when the engine quantizes them while it loads (``--quantization``
of a model that is not quantized itself).

Per matrix of ``inputs x outputs`` weights:

=================== =============================================================================
fp8, int8           8 bit, a 32-bit scale for each block, each row or the whole matrix
AWQ, GPTQ, int4     4 (2, 3, 8) bit, for each group of inputs a 16-bit scale and a zero point;
                    GPTQ a 32-bit group number for each input besides
compressed-tensors  as its group says: width, group size, with zero points if not symmetric
mxfp4 (gpt-oss)     the experts in 4 bit and an 8-bit scale for 32 of them; the rest in 16 bit
nvfp4               4 bit and an 8-bit scale for 16 of them
bitsandbytes        4 bit and a 32-bit (twice quantized: 8-bit) maximum for 64 of them, or 8 bit
                    and a 32-bit scale for each output
=================== =============================================================================

Embeddings, the output layer, routers, norms and vision towers stay in the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final

from tierwise_core.errors import UnknownQuantizationError
from tierwise_core.linear import Linear, Part
from tierwise_core.model_config import LARGEST_COUNT
from tierwise_core.parameters import linears
from tierwise_core.quantization import quantization_method

__all__ = [
    "KNOWN_METHODS",
    "ONLINE_METHODS",
    "Scheme",
    "check_method",
    "loaded_bytes",
    "scheme_of",
    "stored_bytes",
]

QUANTIZED_PARTS: Final = frozenset({Part.ATTENTION, Part.FEED_FORWARD, Part.EXPERT})
EXPERTS_ONLY: Final = frozenset({Part.EXPERT})
DTYPE_BYTES: Final = {"float32": 4, "float16": 2, "bfloat16": 2}
BYTE: Final = 8
BLOCK: Final = 128


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a quantization keeps one matrix.

    Attributes:
        bits: of one weight.
        group: inputs that share a scale; 0 if a whole row of outputs does.
        group_outputs: outputs that share it too: a block; 1 for one.
        scale_bits: of a scale, zero point included.
        input_bytes: beside, for each input.
        parts: which parts of the model are quantized.
    """

    bits: int
    group: int = 0
    group_outputs: int = 1
    scale_bits: Fraction = Fraction(32)
    input_bytes: int = 0
    parts: frozenset[Part] = QUANTIZED_PARTS

    def matrix_bytes(self, linear: Linear) -> int:
        """What all matrices of a kind take.

        A 4096 x 4096 matrix by AWQ, in groups of 128: 8 MiB of weights, 32 groups of 4096 scales
        of 16 bit and zero points of 4:

        >>> matrix = Linear("q_proj", 4096, 4096, 1, 1, Part.ATTENTION)
        >>> Scheme(4, 128, scale_bits=Fraction(20)).matrix_bytes(matrix) - 8 * 2**20
        327680
        """
        weights = Fraction(linear.parameters * self.bits, BYTE)
        rows = ceil(linear.inputs / self.group) if self.group else 1
        groups = rows * ceil(linear.outputs / self.group_outputs) * linear.count
        beside = linear.inputs * linear.count * self.input_bytes
        return ceil(weights + groups * self.scale_bits / BYTE) + beside


FP8: Final = Scheme(8)
FP8_BLOCKS: Final = Scheme(8, BLOCK, BLOCK)
NVFP4: Final = Scheme(4, 16, scale_bits=Fraction(8))
NF4: Final = Scheme(4, 64)
NF4_TWICE: Final = Scheme(4, 64, scale_bits=BYTE + Fraction(32, 256))

ONLINE_METHODS: Final[Mapping[str, Scheme]] = {
    "bitsandbytes": NF4,
    "experts_int8": Scheme(8, parts=EXPERTS_ONLY),
    "fp8": FP8,
    "fp8_per_block": FP8_BLOCKS,
    "fp8_per_channel": FP8,
    "fp8_per_tensor": FP8,
    "int8_per_channel_weight_only": FP8,
    "mxfp8": Scheme(8, 32, scale_bits=Fraction(8)),
    "nvfp4_per_token": NVFP4,
}
"""What the engine makes of 16-bit weights while it loads them."""

KNOWN_METHODS: Final = frozenset(
    {
        *ONLINE_METHODS,
        "auto-round",
        "auto_awq",
        "auto_gptq",
        "awq",
        "awq_marlin",
        "compressed-tensors",
        "fbgemm_fp8",
        "fp_quant",
        "gpt_oss_mxfp4",
        "gptq",
        "gptq_marlin",
        "inc",
        "modelopt",
        "modelopt_fp4",
        "modelopt_mixed",
        "modelopt_mxfp8",
        "moe_wna16",
        "mxfp4",
        "online",
        "quark",
        "torchao",
    }
)
"""The methods that vLLM 0.32 loads, and bitsandbytes, which earlier ones do."""


def check_method(method: str, field: str) -> None:
    """Nothing, if the engine knows the quantization; no quantization is fine too.

    Raises:
        UnknownQuantizationError: it does not; the message names those it does.

    >>> check_method("awq", "spec.model.quantization")
    """
    if method and method not in KNOWN_METHODS:
        raise UnknownQuantizationError(
            f"{field}: {method!r} is not a quantization the engine knows; give one of "
            f"{', '.join(sorted(KNOWN_METHODS))}, or set spec.model.size.weights"
        )


def scheme_of(config: Mapping[str, Any]) -> Scheme | None:
    """How a config's own quantization keeps a matrix; ``None`` if it has none or hides it.

    >>> scheme_of({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 64}})
    Scheme(bits=4, group=64, group_outputs=1, scale_bits=Fraction(20, 1), input_bytes=4, \
parts=frozenset({...}))
    """
    quantization = config.get("quantization_config")
    reader = READERS.get(quantization_method(config))
    return reader(quantization) if reader and isinstance(quantization, Mapping) else None


def _fp8(quantization: Mapping[str, Any]) -> Scheme:
    """With a scale for each block, or for the matrix."""
    return FP8_BLOCKS if quantization.get("weight_block_size") else FP8


def _awq(quantization: Mapping[str, Any]) -> Scheme:
    """A 16-bit scale and a zero point of the weights' width for each group of inputs."""
    bits = _count(quantization.get("bits")) or 4
    return Scheme(bits, _count(quantization.get("group_size")) or BLOCK, 1, Fraction(16 + bits))


def _gptq(quantization: Mapping[str, Any]) -> Scheme:
    """The same, and a 32-bit group number for each input."""
    bits = _count(quantization.get("bits")) or 4
    return Scheme(bits, _count(quantization.get("group_size")), 1, Fraction(16 + bits), 4)


def _mxfp4(_quantization: Mapping[str, Any]) -> Scheme:
    """The experts alone."""
    return Scheme(4, 32, scale_bits=Fraction(8), parts=EXPERTS_ONLY)


def _modelopt(quantization: Mapping[str, Any]) -> Scheme:
    """By the algorithm it names."""
    return NVFP4 if "FP4" in str(quantization.get("quant_algo")).upper() else FP8


def _bitsandbytes(quantization: Mapping[str, Any]) -> Scheme:
    """In 4 or in 8 bit."""
    if not quantization.get("load_in_4bit"):
        return FP8
    return NF4_TWICE if quantization.get("bnb_4bit_use_double_quant") else NF4


def _compressed(quantization: Mapping[str, Any]) -> Scheme | None:
    """The weights of the first group."""
    groups = quantization.get("config_groups")
    for group in groups.values() if isinstance(groups, Mapping) else ():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(weights, Mapping):
            bits = _count(weights.get("num_bits")) or BYTE
            size = _count(weights.get("group_size"))
            zero = 0 if weights.get("symmetric", True) else bits
            narrow = bits == NVFP4.bits and weights.get("type") == "float"
            return NVFP4 if narrow else Scheme(bits, size, scale_bits=Fraction(16 + zero))
    return None


READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Scheme | None]]] = {
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "compressed-tensors": _compressed,
    "fbgemm_fp8": _fp8,
    "fp8": _fp8,
    "gptq": _gptq,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "mxfp4": _mxfp4,
}


def _count(value: Any) -> int:
    """A positive count, else 0."""
    return value if type(value) is int and 0 < value <= LARGEST_COUNT else 0


def stored_bytes(config: Mapping[str, Any]) -> int:
    """The bytes of a model's files, from its config alone.

    Raises:
        UnknownArchitectureError: its matrices cannot be counted.
        UnknownQuantizationError: its quantization is not known, or hides how it keeps a matrix.

    >>> llama = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    ...     "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    ...     "vocab_size": 128256, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    >>> stored_bytes(llama)
    16060522496
    """
    method, scheme = quantization_method(config), scheme_of(config)
    check_method(method, "config.json: quantization_config.quant_method")
    if method and scheme is None:
        raise UnknownQuantizationError(
            f"config.json: quantization_config.quant_method: {method!r} does not say how wide the "
            "weights are; set spec.model.size.weights"
        )
    width = DTYPE_BYTES.get(_dtype(config), 2)
    return sum(_bytes(linear, scheme, width) for linear in linears(config))


def _dtype(config: Mapping[str, Any]) -> str:
    """The dtype that the config names, also of a nested language model."""
    named = config.get("dtype") or config.get("torch_dtype")
    nested = config.get("text_config")
    if named is None and isinstance(nested, Mapping):
        named = nested.get("dtype") or nested.get("torch_dtype")
    return str(named or "bfloat16").removeprefix("torch.")


def _bytes(linear: Linear, scheme: Scheme | None, width: int) -> int:
    """What matrices of a kind take, quantized if the scheme is for them."""
    if scheme is not None and linear.part in scheme.parts:
        return scheme.matrix_bytes(linear)
    return linear.parameters * width


def loaded_bytes(weights_bytes: int, parts: tuple[Linear, ...], method: str) -> int:
    """What 16-bit weights take once the engine has quantized them while loading.

    Args:
        weights_bytes: of the files.
        parts: the model's matrices.
        method: ``spec.model.quantization``; any that is not made while loading changes nothing.

    >>> matrix = Linear("up_proj", 4096, 14336, 1, 1, Part.FEED_FORWARD)
    >>> loaded_bytes(2 * matrix.parameters, (matrix,), "fp8") - matrix.parameters
    57344
    """
    scheme = ONLINE_METHODS.get(method)
    if scheme is None:
        return weights_bytes
    saved = sum(
        2 * linear.parameters - scheme.matrix_bytes(linear)
        for linear in parts
        if linear.part in scheme.parts
    )
    return max(0, weights_bytes - saved)
