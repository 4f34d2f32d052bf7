"""The matrices of a model, as many as it has of each kind: what LoRA and weight counts go by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Cut", "Linear", "Part"]


class Cut(StrEnum):
    """How tensor parallel divides a matrix over GPUs."""

    OUTPUTS = "Outputs"
    INPUTS = "Inputs"
    KEY_VALUE = "KeyValue"  # outputs, but no finer than one key-value head
    WHOLE = "Whole"  # each GPU keeps all of it


class Part(StrEnum):
    """Which part of the model a matrix belongs to."""

    EMBEDDING = "Embedding"
    OUTPUT = "Output"
    ATTENTION = "Attention"
    FEED_FORWARD = "FeedForward"
    ROUTER = "Router"
    EXPERT = "Expert"
    VISION = "Vision"
    VECTOR = "Vector"  # norms, biases, sinks: no matrix that is quantized or adapted


@dataclass(frozen=True, slots=True)
class Linear:
    """Like matrices of ``inputs x outputs`` values.

    Attributes:
        module: the last word of its name in the files, such as ``q_proj``.
        inputs: values it takes, 1 for a vector.
        outputs: values it gives.
        count: how many the model has, over all layers and experts.
        used: how many of those one token passes; fewer than ``count`` for experts.
        part: where in the model.
        cut: how tensor parallel divides it.

    >>> experts = Linear("w1", 4096, 14336, count=32 * 8, used=32 * 2, part=Part.EXPERT)
    >>> experts.parameters, experts.active_parameters
    (15032385536, 3758096384)
    """

    module: str
    inputs: int
    outputs: int
    count: int
    used: int
    part: Part
    cut: Cut = Cut.OUTPUTS

    @property
    def parameters(self) -> int:
        """The values of all of them."""
        return self.inputs * self.outputs * self.count

    @property
    def active_parameters(self) -> int:
        """The values one token is multiplied with."""
        return self.inputs * self.outputs * self.used
