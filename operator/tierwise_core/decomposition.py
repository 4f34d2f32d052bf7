"""Which fields of a graph deserve a model of their own: advice, from measured or given figures.

The heuristics of the design: a field is branched until

- the hardware bound: one submodel fits one GPU comfortably, or
- the statistical bound: its contradiction rate is below 2 %, so that a split would add noise, not
  signal.

Either stops it. So a field that is large *and* contradicts itself is branched, and whatever is
below it is looked at in the same way. A subfield that is hardly asked stays with its parent: a
model of its own would idle.

Comfortably means that the weights leave a tenth of the usable memory to the KV cache, and that
everything together fits. At one byte per parameter this gives the sizes of the design's table of
hardware tiers, where an H100 holds about 70 billion parameters and an RTX 4090 about 20 billion:

>>> [round(largest_model(OneGPU("gpu", int(gib * 2**30 * 0.9)), 1.0) / 1e9) for gib in
...     (80, 40, 24, 16, 8)]
[70, 35, 21, 14, 7]

A rate counted on a sample is an interval, not a number: 3 contradictions in 100 answers may well
be 1 %. So a count decides only where its whole 95 % interval (Wilson) is on one side of the bound;
else more answers have to be judged, and the advice says how many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tierwise_core.field_figures import (
    Advice,
    Bounds,
    Decision,
    FieldFigures,
    OneGPU,
    check_figures,
)
from tierwise_core.quantities import format_bytes
from tierwise_core.wilson import interval, judgements_needed

__all__ = [
    "Advice",
    "Bounds",
    "Decision",
    "FieldFigures",
    "OneGPU",
    "advise",
    "largest_model",
    "walk",
]

COMFORT: Final = 0.9


def largest_model(gpu: OneGPU, bytes_per_parameter: float) -> int:
    """Return how many parameters fit one GPU comfortably.

    A 24 GB card in 16 bit:

    >>> round(largest_model(OneGPU("rtx-4090", int(24 * 2**30 * 0.9)), 2.0) / 1e9, 1)
    10.4
    """
    return int(gpu.usable_bytes * COMFORT / bytes_per_parameter)


def advise(root: FieldFigures, gpu: OneGPU, bounds: Bounds | None = None) -> Advice:
    """Decide on a field and, where it is branched, on every field below it.

    Raises:
        InvalidSizeError: a figure is impossible, or two fields have one name.

    A field of 70B that contradicts itself in 6 % of its answers, on RTX 4090:

    >>> sorting = FieldFigures("sorting", 60, parameters=7_000_000_000)
    >>> poems = FieldFigures("poems", 1, parameters=7_000_000_000)
    >>> root = FieldFigures("all", 100, 0.06, parameters=70_000_000_000, children=(sorting, poems))
    >>> found = advise(root, OneGPU("rtx-4090", int(24 * 2**30 * 0.9)))
    >>> [(each.field, each.decision.value) for each in walk(found)]
    [('all', 'Branch'), ('sorting', 'FitsOneGPU'), ('poems', 'KeepWithParent')]
    """
    limits = bounds or Bounds()
    check_figures(root, limits)
    return _advise(root, gpu, limits, root.volume, is_root=True)


def walk(advice: Advice) -> Iterator[Advice]:
    """Yield the advice on a field, then on those below it, in the order of the graph."""
    yield advice
    for child in advice.children:
        yield from walk(child)


def _advise(
    field: FieldFigures, gpu: OneGPU, bounds: Bounds, total: float | None, *, is_root: bool = False
) -> Advice:
    share = field.volume / total if field.volume is not None and total else None
    decision, reason = _decide(field, gpu, bounds, None if is_root else share)
    children: tuple[Advice, ...] = ()
    if decision is Decision.BRANCH:
        children = tuple(_advise(child, gpu, bounds, total) for child in field.children)
    return Advice(field.name, decision, reason, field, share, children)


def _decide(
    field: FieldFigures, gpu: OneGPU, bounds: Bounds, share: float | None
) -> tuple[Decision, str]:
    """The first of: hardly asked, fits, consistent, not known, branch."""
    if share is not None and share < bounds.least_share:
        return Decision.KEEP_WITH_PARENT, (
            f"{share:.1%} of the requests, below {bounds.least_share:.0%}: a model of its own "
            "would idle"
        )
    size = field.model_bytes
    need = None if size is None else size + field.kv_cache_bytes
    if size is not None and need is not None and _fits(size, need, gpu):
        return Decision.STOP_HARDWARE, (
            f"{_model(field)} takes {format_bytes(need)} of the {format_bytes(gpu.usable_bytes)} "
            f"that one {gpu.tier} offers"
        )
    return _by_consistency(field, gpu, bounds)


def _fits(weights_bytes: int, need_bytes: int, gpu: OneGPU) -> bool:
    """Whether one GPU holds it and leaves a tenth to the KV cache."""
    return need_bytes <= gpu.usable_bytes and weights_bytes <= gpu.usable_bytes * COMFORT


def _by_consistency(field: FieldFigures, gpu: OneGPU, bounds: Bounds) -> tuple[Decision, str]:
    """A field whose model does not fit one GPU, or whose model nobody has named."""
    rate = field.contradiction_rate
    if rate is None:
        return Decision.MEASURE, (
            f"{_too_large(field, gpu)}, and its contradiction rate is not known: judge some "
            f"{judgements_needed(bounds.contradiction_rate, bounds.contradiction_rate / 2)} answers"
        )
    low, high = (rate, rate) if field.judged is None else interval(rate, field.judged)
    told = _rate(field, low, high)
    if high < bounds.contradiction_rate:
        return Decision.STOP_STATISTICAL, (
            f"{told}, below {bounds.contradiction_rate:.0%}: a split would add noise, not signal"
        )
    if low < bounds.contradiction_rate:
        needed = judgements_needed(bounds.contradiction_rate, rate)
        return Decision.MEASURE, (
            f"{told}, which may be either side of {bounds.contradiction_rate:.0%}: judge some "
            f"{needed} answers to know"
        )
    if not field.children:
        return Decision.NAME_SUBFIELDS, (
            f"{_too_large(field, gpu)}, and {told}: name its subfields, each for a model of at "
            f"most {_billions(largest_model(gpu, field.bytes_per_parameter))} parameters"
        )
    return Decision.BRANCH, f"{_too_large(field, gpu)}, and {told}"


def _too_large(field: FieldFigures, gpu: OneGPU) -> str:
    size = field.model_bytes
    if size is None:
        return "its model's size is not known"
    return (
        f"{_model(field)} takes {format_bytes(size + field.kv_cache_bytes)}, more than one "
        f"{gpu.tier} holds comfortably ({format_bytes(gpu.usable_bytes * COMFORT)} of weights)"
    )


def _rate(field: FieldFigures, low: float, high: float) -> str:
    rate = field.contradiction_rate or 0.0
    if field.judged is None:
        return f"contradicts itself in {rate:.1%} of its answers"
    return (
        f"contradicts itself in {rate:.1%} of {field.judged} judged answers "
        f"({low:.1%} to {high:.1%})"
    )


def _model(field: FieldFigures) -> str:
    if field.parameters is None:
        return "its model"
    return f"a model of {_billions(field.parameters)} parameters"


def _billions(count: float) -> str:
    """A count of parameters as people say it.

    >>> _billions(7_000_000_000), _billions(350_000_000), _billions(167_000)
    ('7B', '350M', '167K')
    """
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{suffix}"
    return f"{count:.0f}"
