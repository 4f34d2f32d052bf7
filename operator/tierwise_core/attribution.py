"""Whose GPU time it was: the bill shared over the calls, and what nobody used.

A call occupies its replica for the time that its tokens take at the replica's rates: prompt tokens
that were not cached at the prefill rate, answer tokens at the decode rate. Those are rates of a
replica under load, which answers many at once, so that the times of calls side by side add up to
the replica's own. What is left of an hour is idle.

All of it is whole numbers, shared by largest remainders: the parts add up to the bill exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, Literal, TypeVar

from tierwise_core.bill import OTHERS, Bill
from tierwise_core.money import divide
from tierwise_core.replica_rates import Cell, RateHistory, Rates

__all__ = [
    "Attribution", "Cell", "IdlePolicy", "RateHistory", "Rates", "Share", "Slice", "Used",
    "attribute", "work_ns",
]  # fmt: skip

NS_PER_MS: Final = 1_000_000
MILLI_NS_PER_SECOND: Final = 1_000_000_000_000

IdlePolicy = Literal["holder", "fleet", "apart"]
"""Who pays for idle time.

``holder``: the calls that the Specialist answered on that tier in that hour, by their busy time;
where it answered none it stays idle. ``fleet``: all calls on GPUs of the fleet in that hour, by
what they cost, free GPUs and Specialists without calls included. ``apart``: nobody; it stays idle.
"""

Key = TypeVar("Key", bound=Hashable)
Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Used(Generic[Key]):
    """What calls of one kind took of a cell; ``key`` is whatever they are told apart by.

    ``milliseconds`` is how long they all took, ``uncounted_calls`` those whose tokens nobody
    counted.
    """

    key: Key
    calls: int = 1
    fresh_tokens: int = 0
    output_tokens: int = 0
    uncounted_calls: int = 0
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the bill: its money, the GPU time and the energy that it paid for."""

    nano_usd: int = 0
    gpu_ns: int = 0
    joules: int = 0

    def __add__(self, other: Slice) -> Slice:
        return Slice(
            self.nano_usd + other.nano_usd, self.gpu_ns + other.gpu_ns, self.joules + other.joules
        )

    def divided(self, weights: Sequence[int]) -> list[Slice]:
        """Share all of it by weights; the parts add up to it.

        >>> [part.nano_usd for part in Slice(10, 0, 0).divided([1, 3])]
        [3, 7]
        """
        parts = (divide(amount, weights) for amount in (self.nano_usd, self.gpu_ns, self.joules))
        return [Slice(*part) for part in zip(*parts, strict=True)]


NOTHING: Final = Slice()


@dataclass(frozen=True, slots=True)
class Share:
    """What one kind of calls is charged: for being answered, and its part of idle time.

    ``estimated`` says that tokens or rates had to be guessed.
    """

    busy: Slice = NOTHING
    idle: Slice = NOTHING
    estimated: bool = False

    @property
    def nano_usd(self) -> int:
        """The money for both."""
        return self.busy.nano_usd + self.idle.nano_usd


@dataclass(frozen=True, slots=True)
class Attribution(Generic[Key]):
    """The bill, shared out.

    ``shares`` by cell and key; ``idle`` is what no call pays, by holder and tier; ``others`` what
    pods hold that are none of ours, by tier. Together they are ``nano_usd``, the bill's total.
    """

    shares: Mapping[tuple[Cell, Key], Share]
    idle: Mapping[tuple[str, str], Slice]
    others: Mapping[str, Slice]

    @property
    def nano_usd(self) -> int:
        """The sum over requests, idle time and others: the bill's total."""
        charged = sum(share.nano_usd for share in self.shares.values())
        nobodys = (*self.idle.values(), *self.others.values())
        return charged + sum(part.nano_usd for part in nobodys)


def work_ns(used: Used[Key], rates: Rates) -> int:
    """Say how long a replica is busy with the calls whose tokens are known.

    A thousand new prompt tokens at 10,000 a second and two hundred of an answer at 800:

    >>> work_ns(Used("a", 1, 1000, 200), Rates(10_000_000, 800_000)) / 1e9
    0.35
    """
    prefill = used.fresh_tokens * MILLI_NS_PER_SECOND // max(1, rates.prefill_mtps)
    decode = used.output_tokens * MILLI_NS_PER_SECOND // max(1, rates.decode_mtps)
    return prefill + decode


def attribute(
    bill: Bill,
    used: Mapping[Cell, Sequence[Used[Key]]],
    rates: RateHistory | Mapping[tuple[str, str], Rates],
    policy: IdlePolicy = "holder",
) -> Attribution[Key]:
    """Share a bill over the calls of its hours.

    ``rates`` by Specialist and tier, with their history or as they always were. An hour of one GPU
    at $3.60 in which two calls kept it busy for a quarter of an hour and half an hour; the rest is
    theirs as well, or nobody's:

    >>> from tierwise_core.bill import HOUR_MS, PriceChange, Span, bill as make_bill
    >>> whole = make_bill([Span("h100", "demo/large", 1, 0, HOUR_MS)],
    ...                   [PriceChange("h100", 0, 3_600_000_000)], 0, HOUR_MS)
    >>> cell = Cell(0, "demo/large", "h100")
    >>> calls = {cell: [Used("a", output_tokens=900), Used("b", output_tokens=1800)]}
    >>> one_a_second = {("demo/large", "h100"): Rates(1_000_000, 1_000)}
    >>> found = attribute(whole, calls, one_a_second)
    >>> [share.nano_usd for share in found.shares.values()], found.nano_usd
    ([1200000000, 2400000000], 3600000000)
    >>> apart = attribute(whole, calls, one_a_second, "apart")
    >>> [share.nano_usd for share in apart.shares.values()]
    [900000000, 1800000000]
    >>> apart.idle["demo/large", "h100"].nano_usd
    900000000
    """
    history = rates if isinstance(rates, RateHistory) else RateHistory.constant(rates)
    cells, others = _cells(bill)
    shares: dict[tuple[Cell, Key], Share] = {}
    idle: dict[Cell, Slice] = {}
    for cell, whole in cells.items():
        calls = used.get(cell, ())
        found, left = _busy(calls, history.of(cell), whole)
        idle[cell] = left
        shares |= {(cell, use.key): share for use, share in zip(calls, found, strict=True)}
    if policy == "holder":
        _charge_holders(shares, idle)
    elif policy == "fleet":
        _charge_fleet(shares, idle)
    return Attribution(shares, _by_holder(idle), others)


def _cells(bill: Bill) -> tuple[dict[Cell, Slice], dict[str, Slice]]:
    """Sum up the lines of each cell, and apart from them what others hold."""
    cells: dict[Cell, Slice] = {}
    others: dict[str, Slice] = {}
    for line in bill.lines:
        part = Slice(line.nano_usd, line.gpu_ms * NS_PER_MS, line.joules)
        if line.holder == OTHERS:
            others[line.tier] = others.get(line.tier, NOTHING) + part
        else:
            cell = Cell(line.hour_ms, line.holder, line.tier)
            cells[cell] = cells.get(cell, NOTHING) + part
    return cells, others


def _busy(
    calls: Sequence[Used[Key]], rates: Rates | None, whole: Slice
) -> tuple[list[Share], Slice]:
    """Share what the calls were busy with, and tell what is left of the cell."""
    works = _works(calls, rates)
    if not sum(works):
        return [Share(estimated=True) for _ in calls], whole
    gpus = max(1, rates.gpus) if rates is not None else 1
    # More work than time: the rates were too low. Then all of the time was theirs.
    left = max(0, whole.gpu_ns // gpus - sum(works))
    *parts, idle = whole.divided([*works, left])
    guessed = rates is None or not rates.measured
    return [
        Share(part, estimated=guessed or bool(use.uncounted_calls))
        for use, part in zip(calls, parts, strict=True)
    ], idle


def _works(calls: Sequence[Used[Key]], rates: Rates | None) -> list[int]:
    """Say how long each kept a replica busy; without rates, as long as it took."""
    if rates is None:
        return [use.milliseconds * NS_PER_MS for use in calls]
    known = [work_ns(use, rates) for use in calls]
    total: int = sum(known)
    counted = sum(use.calls - use.uncounted_calls for use in calls)
    if counted > 0 and total:
        # A call whose tokens nobody counted is taken for a usual one of its hour.
        usual = total // counted
        return [work + usual * use.uncounted_calls for work, use in zip(known, calls, strict=True)]
    return [use.milliseconds * NS_PER_MS for use in calls]


_Shares = dict[tuple[Cell, Key], Share]


def _charge_holders(shares: _Shares[Key], idle: dict[Cell, Slice]) -> None:
    for cell, places in _grouped(shares, lambda cell: cell).items():
        times = [shares[place].busy.gpu_ns for place in places]
        if sum(times):
            _charge(shares, places, times, idle[cell])
            idle[cell] = NOTHING


def _charge_fleet(shares: _Shares[Key], idle: dict[Cell, Slice]) -> None:
    by_hour: dict[int, list[Cell]] = {}
    for cell in idle:
        by_hour.setdefault(cell.hour_ms, []).append(cell)
    for hour, places in _grouped(shares, lambda cell: cell.hour_ms).items():
        costs = [shares[place].busy.nano_usd for place in places]
        if sum(costs):
            cells = by_hour[hour]
            _charge(shares, places, costs, sum((idle[cell] for cell in cells), NOTHING))
            idle |= dict.fromkeys(cells, NOTHING)


def _grouped(
    shares: _Shares[Key], by: Callable[[Cell], Group]
) -> dict[Group, list[tuple[Cell, Key]]]:
    found: dict[Group, list[tuple[Cell, Key]]] = {}
    for place in shares:
        found.setdefault(by(place[0]), []).append(place)
    return found


def _charge(
    shares: _Shares[Key], places: Sequence[tuple[Cell, Key]], weights: Sequence[int], whole: Slice
) -> None:
    for place, part in zip(places, whole.divided(weights), strict=True):
        share = shares[place]
        shares[place] = replace(share, idle=share.idle + part)


def _by_holder(idle: Mapping[Cell, Slice]) -> dict[tuple[str, str], Slice]:
    found: dict[tuple[str, str], Slice] = {}
    for cell, part in idle.items():
        if part != NOTHING:
            place = (cell.specialist, cell.tier)
            found[place] = found.get(place, NOTHING) + part
    return found
