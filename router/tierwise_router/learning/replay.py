"""Replay a log through the router's policy: fit on one part, judge on the other.

Two questions are answered. Between a cheap and a strong model: the curve of quality over calls to
the strong one, with RouteLLM's figures. Among all models: one operating point, chosen on the
training rows alone, beside the single models, the plain tables and the oracle.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise_core.curves import Curve, Outcome, curve
from tierwise_router.learning.log_rows import LogError, LogRow, ReadLog
from tierwise_router.learning.parts import CLUSTER_TABLE, FIELD_TABLE
from tierwise_router.learning.picking import Picked, Spending, best_quality, choose_spending, pick
from tierwise_router.learning.predictor import Predictor, Step, targets_of
from tierwise_router.learning.text import Floats

__all__ = [
    "Choice",
    "Kept",
    "Replay",
    "Routed",
    "cheapest_threshold",
    "choose_models",
    "replay",
]

LEAST_ROWS = 20
MARGIN = 0.5
KEPT = (1.0, 0.99, 0.98, 0.95, 0.9)


@dataclass(frozen=True, slots=True)
class Choice:
    """The models of a replay, and which share of the best baseline's quality is to be kept.

    Baselines are the single models and the plain tables by field and by cluster.
    """

    models: tuple[str, ...]
    cheap: str
    strong: str
    keep: float = 1.0


@dataclass(frozen=True, slots=True)
class Routed:
    """One way to route: its curve between cheap and strong, and its pick among all models.

    ``threshold`` is the least predicted gain for which the strong model is asked, chosen on the
    training rows; ``accepted`` and ``usd`` are what it then gives on the held-out ones.
    """

    name: str
    curve: Curve
    threshold: float | None = None
    strong_share: float = 0.0
    accepted: float = 0.0
    usd: float = 0.0
    picked: Picked | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The cheapest threshold that keeps a share of the best single model, and what it gives."""

    keep: float
    threshold: float
    strong_share: float
    accepted: float
    usd: float


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found; every figure is of the held-out rows."""

    choice: Choice
    train_rows: int
    test_rows: int
    incomplete: int
    predicted: Floats
    accepted: Floats
    usd: Floats
    ours: Routed
    baselines: tuple[Routed, ...]
    oracle: Routed
    kept: tuple[Kept, ...]
    predictor: Predictor
    seconds: float


def choose_models(
    rows: Sequence[LogRow],
    models: Sequence[str] | None,
    cheap: str | None,
    strong: str | None,
    keep: float = 1.0,
) -> Choice:
    """Settle who takes part: all models of the log, from the cheapest to the most accepted.

    Raises LogError for a name that the log does not have, and for fewer than two models.
    """
    known = sorted({name for row in rows for name in row.outcomes})
    chosen = tuple(dict.fromkeys(models or known))
    for name in (*chosen, *(one for one in (cheap, strong) if one is not None)):
        if name not in known:
            raise LogError(f"no row has an outcome of {name!r}; the log has {', '.join(known)}")
    chosen = tuple(dict.fromkeys((*chosen, *(one for one in (cheap, strong) if one is not None))))
    if len(chosen) < 2:  # noqa: PLR2004
        raise LogError(f"a replay needs two models at least; the log has {', '.join(known)}")
    shares = np.nanmean(_filled(targets_of(rows, chosen)), axis=0)
    usd = np.nanmean(_filled(_usd(rows, chosen)), axis=0)
    order = range(len(chosen))
    strong = strong or chosen[max(order, key=lambda at: (shares[at], -usd[at])
                                  if chosen[at] != cheap else (-1.0, 0.0))]  # fmt: skip
    cheap = cheap or chosen[min((at for at in order if chosen[at] != strong),
                                key=lambda at: (usd[at], -shares[at]))]  # fmt: skip
    if cheap == strong:
        raise LogError(f"cheap and strong are both {cheap!r}; name two models")
    return Choice(chosen, cheap, strong, keep)


def replay(train: ReadLog, test: ReadLog, choice: Choice, step: Step = lambda _: None) -> Replay:
    """Fit on ``train`` and judge on ``test``; raises LogError where there is too little of either.

    Test rows that lack an outcome of one of the models are left out, since nobody knows what
    routing them elsewhere would have given.
    """
    began_at = time.monotonic()
    models = choice.models
    rows = [row for row in train.rows if any(name in row.outcomes for name in models)]
    held = [row for row in test.rows if all(name in row.outcomes for name in models)]
    for path, found in ((train.path, rows), (test.path, held)):
        if len(found) < LEAST_ROWS:
            raise LogError(
                f"{path} has {len(found)} rows with outcomes of {', '.join(models)}; "
                f"a replay needs {LEAST_ROWS}"
            )
    predictor = Predictor.fit(rows, models, step)
    step("replaying")
    judge = _Judge(choice, rows, held)
    predicted = predictor.predict(held)
    alone = predictor.predict_parts(held)
    tables = (FIELD_TABLE, CLUSTER_TABLE)
    judge.set_goals([predictor.parts_held_out[name] for name in tables])
    baselines = [judge.routed(name, predictor.parts_held_out[name], alone[name]) for name in tables]
    return Replay(
        choice=choice,
        train_rows=len(rows),
        test_rows=len(held),
        incomplete=len(test.rows) - len(held),
        predicted=predicted,
        accepted=judge.accepted,
        usd=judge.usd,
        ours=judge.routed("tierwise", predictor.held_out, predicted),
        baselines=(*baselines, Routed("random", judge.curve(np.zeros_like(judge.accepted)))),
        oracle=judge.oracle(),
        kept=tuple(judge.kept(predictor.held_out, predicted)),
        predictor=predictor,
        seconds=time.monotonic() - began_at,
    )


class _Judge:
    """Knows the outcomes of both logs, and what any predictions would have made of them."""

    def __init__(self, choice: Choice, rows: Sequence[LogRow], held: Sequence[LogRow]) -> None:
        self.choice = choice
        self.accepted = targets_of(held, choice.models)
        self.usd = _usd(held, choice.models)
        whole = np.array([all(name in row.outcomes for name in choice.models) for row in rows])
        self._known = whole
        self._train = targets_of(rows, choice.models)[whole]
        self._train_usd = _usd(rows, choice.models)[whole]
        self._pair = [choice.models.index(choice.cheap), choice.models.index(choice.strong)]
        self._goals = (1.0, 1.0)

    def set_goals(self, tables: Sequence[Floats]) -> None:
        """Set the qualities to keep: what the best single model and the best table reach.

        Between cheap and strong, and among all models; half a standard error more, because the
        cheapest of many thresholds that reach a goal does so partly by luck.
        """
        found = [one[self._known] for one in tables]
        if len(self._train) < LEAST_ROWS:
            return
        single = float(self._train.mean(axis=0).max())
        two = [max(point.accepted for point in self._trained(one).points) for one in found]
        many = [best_quality(one, self._train, self._train_usd) for one in found]
        self._goals = (self._kept(max(two)), self._kept(max(single, *many)))

    def _kept(self, quality: float) -> float:
        error = math.sqrt(quality * (1.0 - quality) / len(self._train))
        return self.choice.keep * quality + MARGIN * error

    def _trained(self, held_out: Floats) -> Curve:
        return _curve(held_out, self._train, self._train_usd, self._pair)

    def curve(self, predicted: Floats) -> Curve:
        return _curve(predicted, self.accepted, self.usd, self._pair)

    def routed(self, name: str, held_out: Floats, predicted: Floats) -> Routed:
        """Choose the operating points on the training rows, then judge them on the others."""
        drawn = self.curve(predicted)
        mine = held_out[self._known]
        if len(mine) < LEAST_ROWS:
            return Routed(name, drawn)
        threshold = cheapest_threshold(self._trained(mine), self._goals[0])
        share, accepted, usd = self._sent(predicted, threshold)
        spending = choose_spending(mine, self._train, self._train_usd, self._goals[1])
        picked = pick(predicted, self.accepted, self.usd, spending)
        return Routed(name, drawn, threshold, share, accepted, usd, picked)

    def kept(self, held_out: Floats, predicted: Floats) -> Iterator[Kept]:
        """Choose a threshold for each of some shares of the best single model's quality."""
        if len(self._train) < LEAST_ROWS:
            return
        trained = self._trained(held_out[self._known])
        best = max(trained.cheap.accepted, trained.strong.accepted)
        for keep in KEPT:
            threshold = cheapest_threshold(trained, keep * best)
            yield Kept(keep, threshold, *self._sent(predicted, threshold))

    def _sent(self, predicted: Floats, threshold: float) -> tuple[float, float, float]:
        """Route the held-out rows: the share of strong calls, of accepted answers, and the cost."""
        cheap, strong = self._pair
        asked = predicted[:, strong] - predicted[:, cheap] >= threshold
        accepted = np.where(asked, self.accepted[:, strong], self.accepted[:, cheap])
        usd = np.where(asked, self.usd[:, strong], self.usd[:, cheap])
        return float(asked.mean()), float(accepted.mean()), float(usd.mean())

    def oracle(self) -> Routed:
        """Know every outcome beforehand: the cheapest model that is accepted, if any is."""
        drawn = self.curve(self.accepted)
        usd = self._train_usd.mean(axis=0) if len(self._train_usd) else self.usd.mean(axis=0)
        spending = Spending(1e-6 / max(float(usd.max()), 1e-300), usd)
        return Routed(
            "oracle", drawn, picked=pick(self.accepted, self.accepted, self.usd, spending)
        )


def _curve(predicted: Floats, accepted: Floats, usd: Floats, pair: list[int]) -> Curve:
    cheap, strong = pair
    gain = predicted[:, strong] - predicted[:, cheap]
    return curve(
        [
            Outcome(*one)
            for one in zip(
                gain.round(9).tolist(), accepted[:, cheap].tolist(), accepted[:, strong].tolist(),
                usd[:, cheap].tolist(), usd[:, strong].tolist(), strict=True,
            )
        ]
    )  # fmt: skip


def cheapest_threshold(trained: Curve, goal: float) -> float:
    """Find the threshold with the fewest calls to the strong model that reaches a quality.

    Where none does, whoever is predicted to be better is asked: of many thresholds that all fall
    short, the one that came nearest did so by luck.

    >>> told = curve([Outcome(0.4, 0, 1), Outcome(0.1, 1, 0), Outcome(-0.2, 1, 1)])
    >>> cheapest_threshold(told, 0.9), cheapest_threshold(told, 1.1)
    (0.4, 0.0)
    """
    for point in trained.points:
        if point.accepted >= goal:
            return point.threshold
    return 0.0


def _usd(rows: Sequence[LogRow], models: Sequence[str]) -> Floats:
    unknown = (0.0, np.nan)
    return np.array([[row.outcomes.get(name, unknown)[1] for name in models] for row in rows])


def _filled(values: Floats) -> Floats:
    """Give a column without any value zeros, so that its mean is one."""
    empty = np.isnan(values).all(axis=0)
    values[:, empty] = 0.0
    return values
