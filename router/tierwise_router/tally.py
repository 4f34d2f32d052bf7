"""What a dispatcher counts, as plain numbers: the hot path pays for an addition, no more.

A pod has several dispatcher processes behind one port, and a scrape reaches any of them. So each
writes its tally to a file of the pod now and then, and the one that is asked adds them all up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tierwise_router.pressure import Pressure

__all__ = ["DURATION_BOUNDS_S", "Durations", "Exemplar", "Tally"]

DURATION_BOUNDS_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
)  # fmt: skip


class Durations:
    """A histogram of seconds: how many fell under each bound, and their sum.

    >>> seen = Durations()
    >>> seen.add(0.02)
    >>> seen.add(400)
    >>> seen.counts[2], seen.counts[-1], seen.sum_s
    (1, 1, 400.02)
    """

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(DURATION_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


class Exemplar(NamedTuple):
    """One request as the example of many: its trace, its seconds, when it ended (epoch)."""

    trace: str
    seconds: float
    at: float


class Tally:
    """The counts of one dispatcher since it started.

    Labels are tuples: ``requests`` by (endpoint, model, specialist, status), where model is
    ``auto`` or ``named``; ``sides`` by (specialist, side, status) while a rollout divides requests,
    where side is blue or green; ``first_byte`` and ``durations`` by specialist; ``escalations`` by
    (from, to, reason); ``cost_usd`` by specialist; ``provider`` by (specialist, what its limits
    did); ``holds`` by (specialist, outcome), where the
    outcome is served, timeout, left (the client did) or refused; ``held_s`` by specialist.
    ``comparisons`` by (shadow, outcome), where the outcome is agree, disagree, failed, left_out or
    not_compared (nobody knows what blue said); ``comparison_usd`` by shadow. ``verdicts`` on
    answers that had gone out by (specialist, outcome), where the outcome is passed, refused, silent
    or left_out. ``held`` is a level: the requests that wait now, by specialist.
    ``journal_lost`` counts records that are lost, by why: unwritten (the disk took none for too
    long), unshipped (the ledger did) or unsealed (contents had no key).
    ``streams`` counts the streams of cascades by (specialist, outcome): flowed, rejected (before
    the client saw any of it), collapsed (doubtful after it had begun to flow) or died.
    ``traces`` counts spans that were sent or failed, and requests whose spans were dropped;
    ``exemplars`` are the newest traced requests by (specialist, place of the duration's bucket).
    """

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, str, int], int] = defaultdict(int)
        self.sides: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self.first_byte: defaultdict[str, Durations] = defaultdict(Durations)
        self.durations: defaultdict[str, Durations] = defaultdict(Durations)
        self.escalations: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.retries: defaultdict[str, int] = defaultdict(int)
        self.cost_usd: defaultdict[str, float] = defaultdict(float)
        self.holds: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.held_s: defaultdict[str, Durations] = defaultdict(Durations)
        self.held: defaultdict[str, int] = defaultdict(int)
        self.streams: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.in_flight = 0
        self.pressure = Pressure()
        self.provider: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.comparisons: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.comparison_usd: defaultdict[str, float] = defaultdict(float)
        self.verdicts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.traces: defaultdict[str, int] = defaultdict(int)
        self.exemplars: dict[tuple[str, int], Exemplar] = {}
        self.journal_lost: defaultdict[str, int] = defaultdict(int)

    def exemplify(self, specialist: str, seconds: float, trace: str, at: float) -> None:
        """Keep a request's trace as the example of its duration's bucket."""
        place = bisect_left(DURATION_BOUNDS_S, seconds)
        self.exemplars[specialist, place] = Exemplar(trace, seconds, at)

    def compared(self, shadow: str, outcome: str, cost_usd: float) -> None:
        """Count one comparison of a shadow."""
        self.comparisons[shadow, outcome] += 1
        self.comparison_usd[shadow] += cost_usd

    def dump(self) -> dict[str, Any]:
        """Turn it into JSON's types: each table as a list of [labels..., value]."""
        return {
            "requests": [[*labels, value] for labels, value in self.requests.items()],
            "sides": [[*labels, value] for labels, value in self.sides.items()],
            "escalations": [[*labels, value] for labels, value in self.escalations.items()],
            "retries": [[name, value] for name, value in self.retries.items()],
            "cost_usd": [[name, value] for name, value in self.cost_usd.items()],
            "first_byte": _dump_durations(self.first_byte),
            "durations": _dump_durations(self.durations),
            "holds": [[*labels, value] for labels, value in self.holds.items()],
            "held_s": _dump_durations(self.held_s),
            "held": [[name, value] for name, value in self.held.items()],
            "streams": [[*labels, value] for labels, value in self.streams.items()],
            "in_flight": self.in_flight,
            "pressure": self.pressure.dump(),
            "provider": [[*labels, value] for labels, value in self.provider.items()],
            "comparisons": [[*labels, value] for labels, value in self.comparisons.items()],
            "journal_lost": [[name, value] for name, value in self.journal_lost.items()],
            "verdicts": [[*labels, value] for labels, value in self.verdicts.items()],
            "comparison_usd": [[name, value] for name, value in self.comparison_usd.items()],
            "traces": list(self.traces.items()),
            "exemplars": [[*key, *value] for key, value in self.exemplars.items()],
        }

    def add(self, dumped: dict[str, Any]) -> None:
        """Add what :meth:`dump` made of another tally.

        >>> mine, other = Tally(), Tally()
        >>> mine.retries["demo/sorter"] = other.retries["demo/sorter"] = 1
        >>> mine.add(other.dump())
        >>> mine.retries["demo/sorter"]
        2
        """
        for *labels, value in dumped["requests"]:
            endpoint, model, specialist, status = labels
            self.requests[endpoint, model, specialist, status] += value
        for name, side, status, value in dumped.get("sides", ()):
            self.sides[name, side, status] += value
        for *labels, value in dumped["escalations"]:
            start, end, reason = labels
            self.escalations[start, end, reason] += value
        _add_singles(self.retries, dumped["retries"])
        _add_singles(self.cost_usd, dumped["cost_usd"])
        _add_durations(self.first_byte, dumped["first_byte"])
        _add_durations(self.durations, dumped["durations"])
        _add_pairs(self.provider, dumped.get("provider", ()))
        _add_pairs(self.holds, dumped["holds"])
        _add_durations(self.held_s, dumped["held_s"])
        _add_singles(self.held, dumped["held"])
        for name, outcome, value in dumped.get("streams", ()):
            self.streams[name, outcome] += value
        self.in_flight += dumped["in_flight"]
        self.pressure.add(dumped.get("pressure", {}), alive=dumped.get("alive", True))
        _add_pairs(self.comparisons, dumped.get("comparisons", ()))
        _add_pairs(self.verdicts, dumped.get("verdicts", ()))
        for name, value in dumped.get("journal_lost", ()):
            self.journal_lost[name] += value
        _add_singles(self.comparison_usd, dumped.get("comparison_usd", ()))
        _add_singles(self.traces, dumped.get("traces", ()))
        for name, place, *said in dumped.get("exemplars", ()):
            self._take_exemplar((name, place), Exemplar(*said))

    def _take_exemplar(self, key: tuple[str, int], other: Exemplar) -> None:
        mine = self.exemplars.get(key)
        if mine is None or mine.at < other.at:
            self.exemplars[key] = other


def _dump_durations(table: dict[str, Durations]) -> list[list[Any]]:
    return [[name, seen.counts, seen.sum_s] for name, seen in table.items()]


def _add_durations(table: defaultdict[str, Durations], dumped: list[list[Any]]) -> None:
    for name, counts, sum_s in dumped:
        seen = table[name]
        seen.counts = [mine + other for mine, other in zip(seen.counts, counts, strict=True)]
        seen.sum_s += sum_s


def _add_pairs(table: defaultdict[tuple[str, str], int], dumped: Iterable[list[Any]]) -> None:
    for name, outcome, value in dumped:
        table[name, outcome] += value


def _add_singles(table: defaultdict[str, Any], dumped: Iterable[list[Any]]) -> None:
    for name, value in dumped:
        table[name] += value
