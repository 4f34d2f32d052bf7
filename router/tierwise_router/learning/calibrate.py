"""Calibration: maps that bring predictions to what comes true, chosen on held-out predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from tierwise_core.calibration import fit_isotonic, pooled
from tierwise_router.learning.text import Floats

__all__ = ["Calibration"]

Kind = Literal["none", "platt", "isotonic"]
LEAST: Final = 1e-4
LEAST_FOR_ISOTONIC: Final = 500
HALVES: Final = 2


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising map of probabilities: steps to look up, or ``slope`` and ``shift`` of the logit."""

    kind: Kind = "none"
    slope: float = 1.0
    shift: float = 0.0
    at: tuple[float, ...] = ()
    becomes: tuple[float, ...] = ()

    @classmethod
    def fit(cls, predicted: Floats, accepted: Floats) -> Self:
        """Choose among no map, Platt's and an isotonic one by Brier score, each on the other half.

        >>> told = np.tile([0.2, 0.9], 400)
        >>> true = np.tile([0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0], 100)
        >>> [round(float(x), 2) for x in Calibration.fit(told, true).apply(np.array([0.2, 0.9]))]
        [0.25, 0.75]
        """
        kinds: list[Kind] = ["none", "platt"]
        if len(predicted) >= LEAST_FOR_ISOTONIC:
            kinds.append("isotonic")
        half = np.arange(len(predicted)) % HALVES == 0
        errors = {
            kind: sum(
                float(((cls._of(kind, predicted[~to], accepted[~to]).apply(predicted[to])
                        - accepted[to]) ** 2).sum())
                for to in (half, ~half)
            )
            for kind in kinds
        }  # fmt: skip
        return cls._of(min(kinds, key=errors.__getitem__), predicted, accepted)

    @classmethod
    def _of(cls, kind: Kind, predicted: Floats, accepted: Floats) -> Self:
        if kind == "none" or len(predicted) == 0:
            return cls()
        if kind == "platt":
            slope, shift = platt(predicted, accepted, np.ones_like(predicted))
            return cls("platt", slope, shift)
        steps = fit_isotonic(pooled(predicted.tolist(), accepted.tolist()))
        return cls("isotonic", at=steps.at, becomes=steps.becomes)

    def apply(self, predicted: Floats) -> Floats:
        """Map predictions."""
        bounded = np.clip(predicted, LEAST, 1.0 - LEAST)
        if self.kind == "platt":
            return np.asarray(expit(self.slope * logit(bounded) + self.shift))
        if self.kind == "isotonic":
            return np.interp(bounded, self.at, self.becomes)
        return bounded

    def describe(self) -> dict[str, object]:
        """Tell the fitted numbers, for review."""
        if self.kind == "platt":
            return {"kind": "platt", "slope": round(self.slope, 4), "shift": round(self.shift, 4)}
        if self.kind == "isotonic":
            steps = zip(self.at, self.becomes, strict=True)
            return {"kind": "isotonic", "steps": [[round(x, 4), round(y, 4)] for x, y in steps]}
        return {"kind": "none"}


def platt(
    predicted: Floats, accepted: Floats, weights: Floats, keep: float = 4.0
) -> tuple[float, float]:
    """Fit ``logit' = slope * logit + shift``; ``keep`` pulls to the map that changes nothing."""
    raised = logit(np.clip(predicted, LEAST, 1.0 - LEAST))

    def loss(numbers: Floats) -> tuple[float, Floats]:
        slope, shift = numbers
        moved = slope * raised + shift
        off = weights * (expit(moved) - accepted)
        value = float((weights * (np.logaddexp(0.0, moved) - accepted * moved)).sum())
        value += keep * ((slope - 1.0) ** 2 + shift**2)
        slopes = [
            float((off * raised).sum()) + 2 * keep * (slope - 1.0),
            float(off.sum()) + 2 * keep * shift,
        ]
        return value, np.array(slopes)

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B",
                     bounds=[(0.05, 20.0), (-10.0, 10.0)])  # fmt: skip
    return float(found.x[0]), float(found.x[1])
