"""When a cascade's stream may begin to flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Begin", "StreamingPolicy"]

Begin = Literal["Early", "Judged"]


@dataclass(frozen=True, slots=True)
class StreamingPolicy:
    """When a cascade's stream may begin to flow.

    ``begin`` Judged holds every stream back until its whole answer is accepted. With Early it
    flows once ``early_tokens`` tokens leave at most ``doubt_share`` of the doubt that the floor
    allows: at a floor of 0.85 and a share of 0.25 a confidence of 1 - 0.15 x 0.25 = 0.9625.
    """

    begin: Begin = "Early"
    early_tokens: int = 8
    doubt_share: float = 0.25
