"""A replay as plain numbers: what ``tierwise replay --output json`` prints."""

from __future__ import annotations

from typing import Any

from tierwise_core.curves import Curve, brier, calibration_error, reliability
from tierwise_router.learning.picking import Picked
from tierwise_router.learning.replay import Replay, Routed

__all__ = ["report"]

CURVE_POINTS = 21


def report(found: Replay) -> dict[str, Any]:
    """Turn a replay into JSON's types; every figure is of the held-out rows."""
    choice, ours = found.choice, found.ours
    calibration = _calibration(found)
    return {
        "rows": {
            "train": found.train_rows,
            "test": found.test_rows,
            "incomplete": found.incomplete,
        },
        "cheap": choice.cheap,
        "strong": choice.strong,
        "models": _models(found),
        **_figures(ours.curve),
        "brier": _mean(one["brier"] for one in calibration.values()),
        "ece": _mean(one["ece"] for one in calibration.values()),
        "threshold": _threshold(found, ours),
        "thresholds": [
            {
                "keeps": one.keep,
                "value": None if one.threshold == float("inf") else one.threshold,
                "strong_share": one.strong_share,
                "accepted": one.accepted,
                "cost_usd": one.usd,
            }
            for one in found.kept
        ],
        "best_single": _best_single(found),
        "baselines": {one.name: _baseline(found, one) for one in found.baselines},
        "oracle": _baseline(found, found.oracle),
        "all_models": _picked(found, ours.picked),
        "curve": _curve(ours.curve),
        "calibration": calibration,
        "predictor": _predictor(found),
        "seconds": round(found.seconds, 2),
    }


def _models(found: Replay) -> dict[str, Any]:
    accepted, usd = found.accepted.mean(axis=0), found.usd.mean(axis=0)
    return {
        name: {"accepted": float(accepted[at]), "cost_usd": float(usd[at])}
        for at, name in enumerate(found.choice.models)
    }


def _best_single(found: Replay) -> dict[str, Any]:
    """Name the model that is accepted most often; of equals, the cheaper."""
    models = _models(found)
    name = max(models, key=lambda one: (models[one]["accepted"], -models[one]["cost_usd"]))
    return {"model": name, **models[name]}


def _figures(drawn: Curve) -> dict[str, Any]:
    """Give RouteLLM's figures; None where the strong model is not the better one."""
    if drawn.strong.accepted <= drawn.cheap.accepted:
        return {"apgr": None, "cpt50": None, "cpt80": None}
    return {"apgr": drawn.apgr, "cpt50": drawn.calls_for(0.5), "cpt80": drawn.calls_for(0.8)}


def _threshold(found: Replay, ours: Routed) -> dict[str, Any] | None:
    if ours.threshold is None:
        return None
    strong = ours.curve.strong
    return {
        "value": None if ours.threshold == float("inf") else ours.threshold,
        "means": "the strong model is asked where its predicted gain is this or more",
        "chosen_on": "the training rows, by cross-validation",
        "keeps": found.choice.keep,
        "strong_share": ours.strong_share,
        "accepted": ours.accepted,
        "cost_usd": ours.usd,
        "cost_saved": 1.0 - ours.usd / strong.usd if strong.usd > 0.0 else 0.0,
    }


def _baseline(found: Replay, one: Routed) -> dict[str, Any]:
    said = _figures(one.curve)
    if one.threshold is not None:
        said |= {
            "accepted": one.accepted,
            "cost_usd": one.usd,
            "strong_share": one.strong_share,
        }
    if one.picked is not None:
        said["all_models"] = _picked(found, one.picked)
    return said


def _picked(found: Replay, picked: Picked | None) -> dict[str, Any] | None:
    if picked is None:
        return None
    return {
        "accepted": picked.accepted,
        "cost_usd": picked.usd,
        "acceptance_per_usd": picked.per_usd,
        "shares": dict(zip(found.choice.models, picked.shares, strict=True)),
    }


def _curve(drawn: Curve) -> list[dict[str, Any]]:
    """Give points at every twentieth of calls; a threshold that sends nobody is None."""
    points = [drawn.at_share(step / (CURVE_POINTS - 1)) for step in range(CURVE_POINTS)]
    return [
        {
            "strong_share": point.strong_share,
            "threshold": None if point.threshold == float("inf") else point.threshold,
            "accepted": point.accepted,
            "cost_usd": point.usd,
        }
        for point in points
    ]


def _calibration(found: Replay) -> dict[str, Any]:
    said = {}
    for at, name in enumerate(found.choice.models):
        told, was = found.predicted[:, at].tolist(), found.accepted[:, at].tolist()
        said[name] = {
            "brier": brier(told, was),
            "ece": calibration_error(told, was),
            "map": found.predictor.calibrations[at].describe(),
            "bins": [
                {"predicted": one.predicted, "accepted": one.accepted, "count": one.count}
                for one in reliability(told, was)
            ],
        }
    return said


def _predictor(found: Replay) -> dict[str, Any]:
    weights = found.predictor.weights.tolist()
    return {
        part.name: round(weight, 4)
        for part, weight in zip(found.predictor.parts, weights, strict=True)
    }


def _mean(values: Any) -> float:
    found = list(values)
    return float(sum(found) / len(found))
