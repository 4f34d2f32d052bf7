"""Drift: do questions, answers and confidences still look like those of some time ago?

What is compared are histograms with bins that never change, so that they can be kept as counts,
added up over any time, and hold no text. Two figures tell them apart: the population stability
index (how much), and Kolmogorov and Smirnov's test where bins have an order (how surely).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, exp, log, log2, sqrt
from typing import Final, Literal

from tierwise_core.decision_record import DecisionRecord, StepRecord
from tierwise_core.query_features import QueryFeatures

__all__ = [
    "INPUT_SIGNALS",
    "OUTPUT_SIGNALS",
    "Histogram",
    "Shift",
    "bin_label",
    "compare_histograms",
    "input_bins",
    "kolmogorov_smirnov",
    "output_bins",
    "population_stability",
]

Histogram = Mapping[int, int]
"""Counts by the number of the bin."""

Severity = Literal["none", "moderate", "major"]
INPUT_SIGNALS: Final = ("characters", "words", "digits", "opening", "in-domain", "input-tokens")
OUTPUT_SIGNALS: Final = ("output-tokens", "confidence", "milliseconds", "verdict")
SHARES: Final = frozenset({"digits", "in-domain", "confidence"})
NAMES: Final = frozenset({"opening", "verdict"})
TWENTIETHS: Final = 20
OPENINGS: Final = 16
VERDICTS: Final = ("accept", "escalate", "abstain", "relayed", "failed")
MODERATE: Final = 0.10
MAJOR: Final = 0.25
LEAST: Final = 100
CHANCE: Final = 0.001
HALF: Final = 0.5
TERMS: Final = 100


def input_bins(record: DecisionRecord) -> Iterator[tuple[str, int]]:
    """Give the bins of what was measured of a question."""
    features = QueryFeatures.from_row(record.features)
    if features is not None:
        _, _, characters, words, _, _, digits, *_ = features.row
        yield "characters", _doublings(characters)
        yield "words", _doublings(words)
        yield "digits", _twentieth(digits / max(characters, 1))
        yield "opening", features.opening % OPENINGS
        yield "in-domain", _twentieth(record.in_domain)
    tokens = next((one.input_tokens for one in record.steps if one.input_tokens is not None), None)
    if tokens is not None:
        yield "input-tokens", _doublings(tokens)


def output_bins(step: StepRecord) -> Iterator[tuple[str, int]]:
    """Give the bins of what was measured of an answer."""
    if step.output_tokens is not None:
        yield "output-tokens", _doublings(step.output_tokens)
    if step.confidence is not None:
        yield "confidence", _twentieth(step.confidence)
    if step.seconds is not None and not step.failure:
        yield "milliseconds", _doublings(step.seconds * 1000.0)
    if step.verdict in VERDICTS:
        yield "verdict", VERDICTS.index(step.verdict)


def _doublings(value: float) -> int:
    """Two bins to a doubling.

    >>> [_doublings(value) for value in (0, 1, 2, 3, 4)]
    [0, 1, 3, 4, 5]
    """
    return int(2 * log2(value)) + 1 if value >= 1.0 else 0


def _twentieth(share: float) -> int:
    return min(max(int(share * TWENTIETHS), 0), TWENTIETHS - 1)


def bin_label(signal: str, number: int) -> str:
    """Name a bin for a person.

    >>> bin_label("words", 7), bin_label("confidence", 19), bin_label("verdict", 1)
    ('8 to 11', '0.95 to 1.00', 'escalate')
    """
    if signal == "verdict":
        return VERDICTS[number] if number < len(VERDICTS) else "other"
    if signal in NAMES:
        return f"group {number}"
    if signal in SHARES:
        return f"{number / TWENTIETHS:.2f} to {(number + 1) / TWENTIETHS:.2f}"
    if number == 0:
        return "0"
    low, last = ceil(2 ** ((number - 1) / 2)), ceil(2 ** (number / 2)) - 1
    return f"{low} to {last}" if last > low else f"{low}"


def population_stability(before: Histogram, now: Histogram) -> float:
    """Measure how far two histograms are apart: PSI, the sum of (now - before) ln(now / before).

    Half a case is added to every bin, and what chance alone gives histograms of this size is taken
    off, so that few cases are no drift. By convention 0.1 is moderate and 0.25 much. A half of the
    answers moved one bin on:

    >>> round(population_stability({0: 1000, 1: 1000}, {1: 1000, 2: 1000}), 2)
    7.59
    >>> population_stability({0: 10, 1: 12}, {0: 12, 1: 10})
    0.0
    """
    bins = before.keys() | now.keys()
    ours, theirs = sum(before.values()), sum(now.values())
    if not ours or not theirs or len(bins) < 2:  # noqa: PLR2004 - one bin cannot differ
        return 0.0
    added = HALF * len(bins)
    total = 0.0
    for one in bins:
        was = (before.get(one, 0) + HALF) / (ours + added)
        has = (now.get(one, 0) + HALF) / (theirs + added)
        total += (has - was) * log(has / was)
    by_chance = (len(bins) - 1) * (1 / ours + 1 / theirs)
    return max(total - by_chance, 0.0)


def kolmogorov_smirnov(before: Histogram, now: Histogram) -> tuple[float, float]:
    """Give the largest distance of the two distribution functions, and the chance of one so large.

    On bins the distance is the true one or less: the test is then too careful, never too quick.

    >>> far, chance = kolmogorov_smirnov({0: 100, 1: 100}, {0: 50, 1: 150})
    >>> far, chance < 0.001
    (0.25, True)
    >>> kolmogorov_smirnov({0: 5}, {0: 5})
    (0.0, 1.0)
    """
    ours, theirs = sum(before.values()), sum(now.values())
    if not ours or not theirs:
        return 0.0, 1.0
    below_before = below_now = 0
    farthest = 0.0
    for one in sorted(before.keys() | now.keys()):
        below_before += before.get(one, 0)
        below_now += now.get(one, 0)
        farthest = max(farthest, abs(below_before / ours - below_now / theirs))
    return farthest, _chance(farthest, sqrt(ours * theirs / (ours + theirs)))


def _chance(distance: float, root: float) -> float:
    """Kolmogorov's distribution, with Stephens' correction for few cases (1970)."""
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:  # noqa: PLR2004 - the series converges slowly there, and to 1
        return 1.0
    total = sum((1.0 if k % 2 else -1.0) * exp(-2.0 * (k * scaled) ** 2) for k in range(1, TERMS))
    return min(max(2.0 * total, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Shift:
    """How one signal moved: figures, how bad that is, and what moved most.

    ``distance`` and ``chance`` are Kolmogorov and Smirnov's, None where bins have no order. ``why``
    is for people: the bins whose share changed most.
    """

    signal: str
    severity: Severity
    psi: float
    distance: float | None
    chance: float | None
    before: int
    now: int
    why: tuple[str, ...] = ()


def compare_histograms(
    signal: str, before: Histogram, now: Histogram, comparisons: int = 1
) -> Shift:
    """Compare a signal's histograms; ``comparisons`` are made at once, so each must be surer.

    Fewer than 100 cases on either side never alarm.

    >>> shift = compare_histograms("confidence", {18: 900, 19: 100}, {12: 500, 18: 400, 19: 100})
    >>> shift.severity, shift.why[0]
    ('major', '0.60 to 0.65: 0 % before, 50 % now')
    >>> compare_histograms("confidence", {18: 90}, {12: 50}).severity
    'none'
    """
    psi = population_stability(before, now)
    ours, theirs = sum(before.values()), sum(now.values())
    distance = chance = None
    if signal not in NAMES:
        distance, chance = kolmogorov_smirnov(before, now)
    sure = chance is None or chance < CHANCE / max(comparisons, 1)
    severity: Severity = "none"
    if min(ours, theirs) >= LEAST and psi >= MODERATE and sure:
        severity = "major" if psi >= MAJOR else "moderate"
    why = () if severity == "none" else tuple(_moved(signal, before, now))
    return Shift(signal, severity, psi, distance, chance, ours, theirs, why)


def _moved(signal: str, before: Histogram, now: Histogram, most: int = 3) -> Iterator[str]:
    ours, theirs = sum(before.values()), sum(now.values())
    changes = [
        (now.get(one, 0) / theirs - before.get(one, 0) / ours, one)
        for one in before.keys() | now.keys()
    ]
    for _, one in _largest(changes)[:most]:
        was, has = before.get(one, 0) / ours, now.get(one, 0) / theirs
        yield f"{bin_label(signal, one)}: {was:.0%} before, {has:.0%} now".replace("%", " %")


def _largest(changes: Iterable[tuple[float, int]]) -> list[tuple[float, int]]:
    return sorted(changes, key=lambda change: (-abs(change[0]), change[1]))
