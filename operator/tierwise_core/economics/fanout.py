"""How many small Specialists may be asked at once before one large model is cheaper.

000 gives two H100 at $3.00 that make 2,000 tokens/s, and one RTX 4090 at $0.40 that makes 800. It
calls those figures batch 1. They are not: one sequence reads all weights for each token, so that
bandwidth over weights bounds it, 72 tokens/s for 14 GB on a 4090. They are kept as its inputs; give
``bandwidthGBPerSecond`` and ``weightsGB``, and the report says what one sequence can get.
"""

from __future__ import annotations

from dataclasses import dataclass

from tierwise_core.cost import break_even_fan_out, usd_per_1k_tokens
from tierwise_core.economics.reading import Count, Positive, Share

__all__ = ["FanOutCase", "FanOutReport", "Side", "fan_out", "most_tokens_per_second_alone"]


@dataclass(frozen=True, slots=True)
class Side:
    """One model on its GPUs; ``tokens_per_answer`` may be less where a Specialist is concise."""

    name: str
    gpus: Count
    usd_per_gpu_hour: Positive
    tokens_per_second: Positive
    tokens_per_answer: Positive = 1000.0
    weights_gb: Positive | None = None
    bandwidth_gb_per_second: Positive | None = None

    @property
    def usd_per_1k_tokens(self) -> float:
        """What a thousand tokens cost."""
        return usd_per_1k_tokens(self.gpus, self.usd_per_gpu_hour, self.tokens_per_second)

    @property
    def usd_per_answer(self) -> float:
        """What one answer costs."""
        return self.usd_per_1k_tokens * self.tokens_per_answer / 1000


@dataclass(frozen=True, slots=True)
class FanOutCase:
    """The two sides; of answers, ``escalated_share`` is asked of the large one after all."""

    large: Side
    small: Side
    escalated_share: Share = 0.0


@dataclass(frozen=True, slots=True)
class FanOutRow:
    """Asking this many at once: its cost for each answer, and its share of the large one's."""

    specialists: int
    usd_per_answer: float
    share_of_large: float
    cheaper: bool


@dataclass(frozen=True, slots=True)
class FanOutReport:
    """``cheaper_up_to`` Specialists cost less than the large model, ``inversion_at`` do not."""

    large_usd_per_1k: float
    small_usd_per_1k: float
    ratio: float
    cheaper_up_to: int
    inversion_at: int
    rows: tuple[FanOutRow, ...]
    notes: tuple[str, ...]


def fan_out(case: FanOutCase) -> FanOutReport:
    """Compare asking 1, 2, ... small Specialists with asking the large one.

    >>> large, small = Side("70B", 2, 3.00, 2000), Side("7B", 1, 0.40, 800)
    >>> report = fan_out(FanOutCase(large, small))
    >>> round(report.large_usd_per_1k, 5), round(report.small_usd_per_1k, 5)
    (0.00083, 0.00014)
    >>> report.cheaper_up_to, report.inversion_at, round(report.rows[2].usd_per_answer, 5)
    (5, 6, 0.00042)

    A fifth of the answers escalated leaves room for four:

    >>> fan_out(FanOutCase(large, small, escalated_share=0.2)).cheaper_up_to
    4
    """
    large, small = case.large.usd_per_answer, case.small.usd_per_answer
    # What is escalated pays for the large answer as well: the fan-out may cost the rest of it.
    room = large * (1.0 - case.escalated_share)
    up_to = break_even_fan_out(room, small) if room > 0 else 0
    rows = tuple(_row(case, count, up_to) for count in range(1, min(up_to + 1, 24) + 1))
    return FanOutReport(
        large_usd_per_1k=case.large.usd_per_1k_tokens,
        small_usd_per_1k=case.small.usd_per_1k_tokens,
        ratio=large / small,
        cheaper_up_to=up_to,
        inversion_at=up_to + 1,
        rows=rows,
        notes=tuple(note for side in (case.large, case.small) for note in _bound_note(side)),
    )


def _row(case: FanOutCase, count: int, up_to: int) -> FanOutRow:
    escalated = case.escalated_share * case.large.usd_per_answer
    usd = count * case.small.usd_per_answer + escalated
    return FanOutRow(count, usd, usd / case.large.usd_per_answer, count <= up_to)


def most_tokens_per_second_alone(weights_gb: float, bandwidth_gb_per_second: float) -> float:
    """Return what one sequence can get at most: all weights are read for each token.

    7B in fp16 on a 4090, 1,010 GB/s:

    >>> round(most_tokens_per_second_alone(14.0, 1010.0))
    72
    """
    return bandwidth_gb_per_second / weights_gb


def _bound_note(side: Side) -> tuple[str, ...]:
    if side.weights_gb is None or side.bandwidth_gb_per_second is None:
        return ()
    alone = most_tokens_per_second_alone(side.weights_gb, side.bandwidth_gb_per_second * side.gpus)
    if side.tokens_per_second <= alone:
        return ()
    words = (
        f"{side.name}: one sequence gets {alone:.0f} tokens/s at most, so that "
        f"{side.tokens_per_second:g} needs a batch of {side.tokens_per_second / alone:.0f}"
    )
    return (words,)
