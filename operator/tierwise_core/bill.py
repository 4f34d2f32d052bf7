"""The fleet's bill: who had how many GPUs of which tier, when, and at what price.

Time is in whole milliseconds since the epoch, money in whole nano-USD, energy in whole joules. A
bill is made of lines, one for each hour, tier, market and holder; its total is the sum of its
lines, each rounded once. So whatever is shared out of the lines adds up to the bill.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Final, Literal

from tierwise_core.money import scaled

__all__ = [
    "FREE", "HOUR_MS", "OTHERS", "Bill", "Line", "Market", "PriceChange", "Span", "bill",
    "hours_of",
]  # fmt: skip

HOUR_MS: Final = 3_600_000
JOULES_PER_KWH: Final = 3_600_000
MS_PER_SECOND: Final = 1_000

FREE: Final = ""
"""The holder of GPUs that nobody has requested."""

OTHERS: Final = "(others)"
"""The holder of GPUs that pods hold which are none of ours."""

Market = Literal["on-demand", "spot", "reserved"]


@dataclass(frozen=True, slots=True)
class Span:
    """A holder had GPUs of a tier from one moment to another.

    ``holder`` is a Specialist's full name, FREE or OTHERS. ``measured`` says that the fleet was
    looked at all the time; else it was taken to be as before. ``joules`` is what power meters
    counted over the whole span, None where there are none.
    """

    tier: str
    holder: str
    gpus: int
    start_ms: int
    end_ms: int
    market: Market = "on-demand"
    measured: bool = True
    joules: int | None = None


@dataclass(frozen=True, slots=True)
class PriceChange:
    """What GPUs of a tier cost from a moment on, for an hour of one of them.

    ``kwh_nano_usd`` is None where the energy is in the price of the GPU. ``ops_nano_usd`` is what
    running it costs besides: people, network, storage. ``tdp_watts`` is its power under full load,
    which the energy is estimated from where nobody measures it.
    """

    tier: str
    at_ms: int
    gpu_hour_nano_usd: int
    market: Market = "on-demand"
    kwh_nano_usd: int | None = None
    ops_hour_nano_usd: int = 0
    tdp_watts: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """What a holder's GPUs of a tier cost in one hour of the clock, on one market.

    ``gpu_ms`` is GPUs times milliseconds; ``measured`` and ``energy_measured`` say that nothing in
    it was assumed. ``unpriced_ms`` are GPU milliseconds before any price was known: they cost 0.
    """

    hour_ms: int
    tier: str
    holder: str
    market: Market
    gpu_ms: int = 0
    gpu_nano_usd: int = 0
    energy_nano_usd: int = 0
    ops_nano_usd: int = 0
    joules: int = 0
    unpriced_ms: int = 0
    measured: bool = True
    energy_measured: bool = True

    @property
    def nano_usd(self) -> int:
        """All of it."""
        return self.gpu_nano_usd + self.energy_nano_usd + self.ops_nano_usd


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill's lines, by hour, tier, holder and market."""

    lines: tuple[Line, ...]

    @property
    def nano_usd(self) -> int:
        """The total: the sum of the lines."""
        return sum(line.nano_usd for line in self.lines)


_Key = tuple[str, str]


def bill(spans: Iterable[Span], prices: Iterable[PriceChange], start_ms: int, end_ms: int) -> Bill:
    """Make the bill of a time, from its start up to its end.

    A day on four GPUs at $2.00 an hour that become $3.00 at noon, two of them held:

    >>> day = 24 * HOUR_MS
    >>> spans = [Span("h100", "demo/large", 2, 0, day), Span("h100", FREE, 2, 0, day)]
    >>> dollar = 1_000_000_000
    >>> prices = [PriceChange("h100", 0, 2 * dollar), PriceChange("h100", day // 2, 3 * dollar)]
    >>> whole = bill(spans, prices, 0, day)
    >>> whole.nano_usd // dollar, len(whole.lines)
    (240, 48)

    GPUs without a price of their own market cost what the tier costs on demand; those of a tier
    without any price cost nothing, and are counted in ``unpriced_ms``.
    """
    history = _history(prices)
    parts = [part for span in spans for part in _parts(span, history, start_ms, end_ms)]
    parts.sort(key=_line_key)
    return Bill(tuple(_joined(list(same)) for _, same in groupby(parts, key=_line_key)))


def hours_of(start_ms: int, end_ms: int) -> Iterator[tuple[int, int, int]]:
    """Cut a time at the hours of the clock: the hour's own start, and the part's start and end.

    >>> list(hours_of(HOUR_MS - 1, HOUR_MS + 5))
    [(0, 3599999, 3600000), (3600000, 3600000, 3600005)]
    """
    at = start_ms
    while at < end_ms:
        hour = at - at % HOUR_MS
        until = min(hour + HOUR_MS, end_ms)
        yield hour, at, until
        at = until


def _history(prices: Iterable[PriceChange]) -> Mapping[_Key, Sequence[PriceChange]]:
    by_key: dict[_Key, list[PriceChange]] = {}
    for price in prices:
        by_key.setdefault((price.tier, price.market), []).append(price)
    # Of two changes at the same moment the one that came later counts.
    return {key: sorted(found, key=lambda one: one.at_ms) for key, found in by_key.items()}


def _parts(
    span: Span, history: Mapping[_Key, Sequence[PriceChange]], start_ms: int, end_ms: int
) -> Iterator[Line]:
    changes = history.get((span.tier, span.market)) or history.get((span.tier, "on-demand")) or ()
    moments = [change.at_ms for change in changes]
    first, last = max(span.start_ms, start_ms), min(span.end_ms, end_ms)
    for hour, begin, end in hours_of(first, last):
        cuts = [begin, *(at for at in moments if begin < at < end), end]
        for begins, ends in pairwise(cuts):
            at = bisect_right(moments, begins) - 1
            yield _priced(span, changes[at] if at >= 0 else None, hour, (begins, ends))


def _priced(span: Span, price: PriceChange | None, hour_ms: int, part: tuple[int, int]) -> Line:
    begin, end = part
    gpu_ms = span.gpus * (end - begin)
    line = Line(hour_ms, span.tier, span.holder, span.market, gpu_ms, measured=span.measured)
    metered = span.joules is not None and span.end_ms > span.start_ms
    joules = 0
    if metered and span.joules is not None:
        until_end = _share(span.joules, end - span.start_ms, span.end_ms - span.start_ms)
        joules = until_end - _share(span.joules, begin - span.start_ms, span.end_ms - span.start_ms)
    elif price is not None:
        joules = scaled(price.tdp_watts, gpu_ms, MS_PER_SECOND)
    line = replace(line, joules=joules, energy_measured=metered)
    if price is None:
        return replace(line, unpriced_ms=gpu_ms)
    return replace(
        line,
        gpu_nano_usd=scaled(price.gpu_hour_nano_usd, gpu_ms, HOUR_MS),
        energy_nano_usd=scaled(price.kwh_nano_usd or 0, joules, JOULES_PER_KWH),
        ops_nano_usd=scaled(price.ops_hour_nano_usd, gpu_ms, HOUR_MS),
    )


def _share(joules: int, part_ms: int, whole_ms: int) -> int:
    # Counted from the span's start, so that the parts of a span have all of its joules.
    return joules * part_ms // whole_ms


def _line_key(line: Line) -> tuple[int, str, str, Market]:
    return line.hour_ms, line.tier, line.holder, line.market


def _joined(parts: Sequence[Line]) -> Line:
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        gpu_ms=sum(part.gpu_ms for part in parts),
        gpu_nano_usd=sum(part.gpu_nano_usd for part in parts),
        energy_nano_usd=sum(part.energy_nano_usd for part in parts),
        ops_nano_usd=sum(part.ops_nano_usd for part in parts),
        joules=sum(part.joules for part in parts),
        unpriced_ms=sum(part.unpriced_ms for part in parts),
        measured=all(part.measured for part in parts),
        energy_measured=all(part.energy_measured for part in parts),
    )
