"""From looks at the fleet, one a minute, to spans without holes or overlaps.

What was seen at a look holds until the next one. Looks that were missed for a while are bridged:
the fleet counts as it was before, and the span is marked as not measured. A longer silence is a
gap: nobody knows who had what, so nothing is billed, and the gap is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tierwise_core.bill import FREE, Market, Span
from tierwise_core.money import divide, scaled

__all__ = [
    "Held", "Look", "Stretch", "Unit", "markets", "since_last", "with_commitment",
]  # fmt: skip

MEASURED_MS: Final = 180_000
"""Looks up to three minutes apart leave nothing to be guessed."""

BRIDGED_MS: Final = 3_600_000
"""Up to an hour the fleet counts as it was."""

SKEW_MS: Final = 300_000
"""A look this much older than the last one says that the clock had been ahead."""

MS_PER_SECOND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Unit:
    """Who has GPUs of which tier on which market."""

    tier: str
    holder: str
    market: Market = "on-demand"


@dataclass(frozen=True, slots=True)
class Held:
    """How many GPUs a unit has, and what they draw where a meter tells."""

    gpus: int
    watts: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The fleet as seen at a moment."""

    at_ms: int
    held: Mapping[Unit, Held] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be added since the last look.

    ``spans`` all reach from the last look to this one. ``gap`` is the time nobody knows about, if
    there is one. ``taken`` is False where this look is older than the last: then nothing changes.
    ``cut_at_ms`` says that what was written beyond that moment was a clock's mistake.
    """

    spans: tuple[Span, ...] = ()
    gap: tuple[int, int] | None = None
    taken: bool = True
    cut_at_ms: int | None = None


def since_last(last: Look | None, now: Look) -> Stretch:
    """Say what the time between two looks comes to.

    >>> sorter = {Unit("rtx-4090", "demo/sorter"): Held(2, watts=600)}
    >>> since_last(Look(0, sorter), Look(60_000)).spans[0].joules
    36000
    >>> [span.measured for span in since_last(Look(0, sorter), Look(600_000)).spans]
    [False]
    >>> since_last(Look(0, sorter), Look(2 * BRIDGED_MS)).gap
    (0, 7200000)
    >>> since_last(Look(60_000, sorter), Look(0)).taken
    False

    A clock that was ahead, and has been put right:

    >>> since_last(Look(86_400_000, sorter), Look(0)).cut_at_ms
    0
    """
    if last is None:
        return Stretch()
    passed = now.at_ms - last.at_ms
    if passed < -SKEW_MS:
        return Stretch(cut_at_ms=now.at_ms)
    if passed <= 0:
        return Stretch(taken=False)
    if passed > BRIDGED_MS:
        return Stretch(gap=(last.at_ms, now.at_ms))
    measured = passed <= MEASURED_MS
    return Stretch(
        tuple(
            Span(
                unit.tier, unit.holder, held.gpus, last.at_ms, now.at_ms, unit.market, measured,
                _joules(held, passed) if measured else None,
            )
            for unit, held in last.held.items()
            if held.gpus
        )
    )  # fmt: skip


def _joules(held: Held, passed_ms: int) -> int | None:
    return None if held.watts is None else scaled(held.watts, passed_ms, MS_PER_SECOND)


def markets(holders: Mapping[str, int], reserved: int) -> dict[tuple[str, Market], int]:
    """Share the GPUs that a commitment pays for among those who hold some of the tier.

    A commitment is paid whether its GPUs are there or not: those that are missing count as free.

    >>> markets({"demo/sorter": 3, FREE: 1}, reserved=2)
    {('demo/sorter', 'reserved'): 2, ('demo/sorter', 'on-demand'): 1, ('', 'on-demand'): 1}
    >>> markets({"demo/sorter": 1}, reserved=2)
    {('demo/sorter', 'reserved'): 1, ('', 'reserved'): 1}
    """
    names = sorted(
        (name for name, gpus in holders.items() if gpus), key=lambda name: (not name, name)
    )
    there = sum(holders[name] for name in names)
    paid = divide(min(reserved, there), [holders[name] for name in names])
    found: dict[tuple[str, Market], int] = {}
    for name, part in zip(names, paid, strict=True):
        if part:
            found[name, "reserved"] = part
        if holders[name] > part:
            found[name, "on-demand"] = holders[name] - part
    if reserved > there:
        found[FREE, "reserved"] = found.get((FREE, "reserved"), 0) + reserved - there
    return found


def with_commitment(
    held: Iterable[tuple[Unit, Held]], reserved: Mapping[str, int]
) -> dict[Unit, Held]:
    """Put a tier's commitments to what was seen of it; spot GPUs are never part of one.

    >>> seen = [(Unit("h100", "demo/large"), Held(2)), (Unit("h100", "", "spot"), Held(1))]
    >>> for unit, part in with_commitment(seen, {"h100": 1}).items():
    ...     print(unit.holder or "free", unit.market, part.gpus)
    free spot 1
    demo/large reserved 1
    demo/large on-demand 1
    """
    found: dict[Unit, Held] = {}
    by_tier: dict[str, dict[str, Held]] = {name: {} for name in reserved}
    for unit, part in held:
        if unit.market != "on-demand" or unit.tier not in reserved:
            found[unit] = part
        else:
            by_tier[unit.tier][unit.holder] = part
    for tier, holders in by_tier.items():
        gpus = {holder: part.gpus for holder, part in holders.items()}
        for (holder, market), count in markets(gpus, reserved[tier]).items():
            watts = holders[holder].watts if holder in holders else None
            share = None if watts is None else scaled(watts, count, max(1, gpus[holder]))
            found[Unit(tier, holder, market)] = Held(count, share)
    return found
