"""What is told before a rollout begins: how long a verdict will take, and what can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tierwise_core.rollout.counted import ENOUGH
from tierwise_core.rollout.evidence import Baseline
from tierwise_core.rollout.forecast import forecast
from tierwise_core.rollout.situation import Wish

__all__ = ["outlook"]

HOUR_S: Final = 3600.0


def outlook(wish: Wish, known: Baseline | None, judged_per_hour: float | None) -> Mapping[str, Any]:
    """Return ``status.forecast``; ``known`` and the traffic are of blue's last day, if any.

    >>> wish = Wish(deadline_s=3600.0)
    >>> told = outlook(wish, Baseline(0.8, 0.06, 0.85), 2000.0)
    >>> told["equal"], told["detectable"]
    (1535, 0.035)
    >>> outlook(wish, None, None)["message"].split(":")[0]
    'blue has fewer than 20 judged answers of the last day, so its variance is taken to be 0.08'
    """
    baseline = known or Baseline()
    answers = None
    if wish.deadline_s is not None and judged_per_hour:
        answers = judged_per_hour * wish.deadline_s / HOUR_S
    ahead = forecast(wish, baseline.variance, answers)
    cases = {
        "equal": ahead.equal,
        "better": ahead.better,
        "worse": ahead.worse,
        "broken": ahead.broken,
    }
    told: dict[str, Any] = {
        **{case: judged for case, judged in cases.items() if judged},
        "delta": round(wish.yardstick.delta, 6),
        "message": _head(known) + ahead.told(judged_per_hour),
    }
    if judged_per_hour:
        told["answersPerHour"] = round(judged_per_hour, 1)
    if ahead.detectable is not None:
        told["detectable"] = round(ahead.detectable, 4)
        told["message"] += (
            f"; until the deadline a difference of {ahead.detectable:.3f} can be seen, "
            f"and {wish.yardstick.delta:g} counts"
        )
    return told


def _head(known: Baseline | None) -> str:
    if known is not None:
        return "a verdict takes on average "
    return (
        f"blue has fewer than {ENOUGH} judged answers of the last day, so its variance is taken to "
        f"be {Baseline().variance:g}: a verdict takes on average "
    )
