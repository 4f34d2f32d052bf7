"""How good a classifier is on questions it was not trained on."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tierwise_core.field_reading import FieldReading
from tierwise_router.classifier.field_classifier import FieldClassifier
from tierwise_router.classifier.labelled import Labelled

__all__ = ["auroc", "classifier_of", "evaluate", "rejected_at"]

KEPT: Final = 0.95
BINS: Final = 10
CONFUSED_SHOWN: Final = 10

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Judged:
    wanted: str | None
    likeliest: str
    reading: FieldReading


def classifier_of(rows: Iterable[Labelled], step: Step = lambda _said: None) -> FieldClassifier:
    """Train on labelled rows; those of no field say what outsiders look like."""
    examples: dict[str, list[str]] = {}
    outside = []
    for row in rows:
        if row.field is None:
            outside.append(row.text)
        else:
            examples.setdefault(row.field, []).append(row.text)
    texts = {name: tuple(dict.fromkeys(found)) for name, found in sorted(examples.items())}
    return FieldClassifier.train(texts, outside=outside, step=step)


def evaluate(
    classifier: FieldClassifier, rows: Sequence[Labelled], step: Step = lambda _said: None
) -> dict[str, Any]:
    """Read every row and compare.

    Accuracy and macro-F1 are of the likeliest field, over the rows that have one; the domain's
    figures of ``in_domain``, rows of a field over rows of none, and None where either is missing.
    """
    step("reading the test for the first time")
    first, _ = _timed(classifier, rows)
    step("reading it again")
    again, readings = _timed(classifier, rows)
    step("comparing")
    judged = [
        _Judged(row.field, _likeliest(reading), reading)
        for row, reading in zip(rows, readings, strict=True)
    ]
    inside = [one for one in judged if one.wanted is not None]
    outside = [one.reading.in_domain for one in judged if one.wanted is None]
    kept = [one.reading.in_domain for one in inside]
    fields = _per_field(inside, list(classifier.examples))
    both = bool(kept and outside)
    return {
        "rows": {"in_domain": len(inside), "out_of_domain": len(outside)},
        "accuracy": _mean(one.likeliest == one.wanted for one in inside),
        "macro_f1": _mean(one["f1"] for one in fields.values() if one["rows"]),
        "out_of_domain_auroc": round(auroc(kept, outside), 4) if both else None,
        "rejection_at_95_kept": round(rejected_at(kept, outside), 4) if both else None,
        "calibration_error": _calibration_error(inside),
        "microseconds_per_query": _microseconds(again),
        "microseconds_first_time": _microseconds(first),
        "fields": fields,
        "most_confused": _confused(inside),
    }


def _timed(
    classifier: FieldClassifier, rows: Sequence[Labelled]
) -> tuple[list[float], list[FieldReading]]:
    spent, readings = [], []
    for row in rows:
        before = time.perf_counter_ns()
        reading = classifier.read(row.text)
        spent.append((time.perf_counter_ns() - before) / 1000)
        readings.append(reading)
    return spent, readings


def _likeliest(reading: FieldReading) -> str:
    shares = reading.probabilities
    return max(shares, key=shares.__getitem__) if shares else ""


def auroc(insiders: Sequence[float], outsiders: Sequence[float]) -> float:
    """The probability that an insider scores above an outsider; ties count half.

    >>> auroc([0.9, 0.8, 0.4], [0.5, 0.4])
    0.75
    """
    low = np.sort(np.asarray(outsiders))
    below = np.searchsorted(low, insiders, side="left")
    upto = np.searchsorted(low, insiders, side="right")
    return float((below + upto).mean() / 2 / len(low))


def rejected_at(insiders: Sequence[float], outsiders: Sequence[float], kept: float = KEPT) -> float:
    """The share of outsiders below the score that so many of the insiders reach.

    >>> rejected_at([0.2] + [0.9] * 19, [0.1, 0.5, 0.95])
    0.6666666666666666
    """
    least = sorted(insiders)[int((1 - kept) * len(insiders) + 1e-9)]
    return sum(score < least for score in outsiders) / len(outsiders)


def _per_field(inside: Sequence[_Judged], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    wanted = Counter(one.wanted for one in inside)
    given = Counter(one.likeliest for one in inside)
    right = Counter(one.likeliest for one in inside if one.likeliest == one.wanted)
    return {
        name: {
            "rows": wanted[name],
            "precision": _share(right[name], given[name]),
            "recall": _share(right[name], wanted[name]),
            "f1": _share(2 * right[name], given[name] + wanted[name]),
        }
        for name in sorted({*names, *(name for name in wanted if name is not None)})
    }


def _confused(inside: Sequence[_Judged]) -> list[dict[str, Any]]:
    pairs = Counter((one.wanted, one.likeliest) for one in inside if one.wanted != one.likeliest)
    return [
        {"field": wanted, "taken_for": taken, "rows": count}
        for (wanted, taken), count in pairs.most_common(CONFUSED_SHOWN)
    ]


def _calibration_error(inside: Sequence[_Judged]) -> float | None:
    """Mean gap between the probability of the likeliest field and how often it was right."""
    if not inside:
        return None
    bins: dict[int, list[tuple[float, bool]]] = {}
    for one in inside:
        bin_of = min(int(one.reading.probability * BINS), BINS - 1)
        bins.setdefault(bin_of, []).append((one.reading.probability, one.likeliest == one.wanted))
    gaps = (
        abs(sum(said for said, _ in found) - sum(was for _, was in found))
        for found in bins.values()
    )
    return round(sum(gaps) / len(inside), 4)


def _microseconds(spent: Sequence[float]) -> dict[str, float]:
    in_order = sorted(spent)
    last = min(len(in_order) - 1, int(0.99 * len(in_order)))
    return {"p50": round(statistics.median(in_order), 2), "p99": round(in_order[last], 2)}


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(statistics.fmean(found), 4) if found else None
