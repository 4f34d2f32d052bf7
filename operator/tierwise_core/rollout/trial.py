"""Rollouts played through on made-up answers: what a rule would do before it is trusted.

Chance is an argument: a function that gives the next number from 0 to 1. Each answer is right with
its side's probability, and its utility is ``0.7 right + 0.3 confidence`` with a confidence around
0.8, so that the same wager that judges a real rollout judges these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, log, pi, sqrt
from types import MappingProxyType
from typing import Final, Literal, Protocol

from tierwise_core.rollout.evidence import Baseline
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.situation import Seen, Wish, first_standing
from tierwise_core.rollout.stages import Stage

__all__ = ["Chance", "Ending", "Guarded", "Rule", "Scenario", "Verdict", "lost_later", "play"]

Chance = Callable[[], float]
Verdict = Literal["promoted", "rolled back", "left to a person", "open"]
WINDOW_S: Final = 10.0
ALL_PERCENT: Final = 100
OF_RIGHT: Final = 0.7


@dataclass(frozen=True, slots=True)
class Scenario:
    """Two sides, and how much of them is seen.

    ``green`` is right with its probability until ``turns_at`` answers of both sides have been
    given, and with ``green_later`` from then on. ``spread`` is the standard deviation of the
    confidence. Of each window's ``window`` answers so many are judged; nothing is seen beyond
    ``limit`` answers, and what is lost is counted up to ``horizon``.
    """

    blue: float = 0.85
    green: float = 0.85
    green_later: float | None = None
    turns_at: int = 0
    spread: float = 0.1
    window: int = 20
    limit: int = 20_000
    horizon: int = 20_000

    def green_at(self, answers: int) -> float:
        """Return the chance that an answer of green's is right after so many answers."""
        later = self.green_later is not None and answers >= self.turns_at
        return self.green_later if later and self.green_later is not None else self.green


@dataclass(frozen=True, slots=True)
class Ending:
    """How one rollout ended.

    After how many ``answers`` to users and ``green`` of green's among them it was decided, the
    cooldown not counted, and how many right answers were ``lost`` up to the horizon beside always
    asking the better side. What green answered unseen is not among them.
    """

    verdict: Verdict
    answers: int
    green: int
    lost: float


class Rule(Protocol):
    """Something that moves traffic and ends a rollout."""

    @property
    def percent(self) -> float:
        """Green's share of the traffic, in percent."""
        ...

    @property
    def shadow_percent(self) -> float:
        """The share of requests, in percent, that green answers unseen."""
        ...

    def look(self, window: WindowSample) -> Verdict:
        """Take a window and say how things stand."""
        ...


_VERDICTS: Final[Mapping[Stage, Verdict]] = MappingProxyType(
    {Stage.COMPLETE: "promoted", Stage.ROLLING_BACK: "rolled back"}
)


class Guarded:
    """Our own rule: the state machine, as the operator runs it."""

    def __init__(self, wish: Wish, baseline: Baseline | None = None) -> None:
        self._wish = wish
        self._standing = first_standing(0.0, baseline)
        seen = Seen(green_ready=True)
        self._standing = decide(wish, self._standing, seen, 0.0).standing

    @property
    def percent(self) -> float:
        """Green's share of the traffic, in percent."""
        return self._standing.percent

    @property
    def shadow_percent(self) -> float:
        """The share of requests, in percent, that green answers unseen."""
        return self._standing.shadow_percent

    @property
    def why(self) -> str:
        """What the last verdict rests on."""
        return self._standing.why

    def look(self, window: WindowSample) -> Verdict:
        """Decide once."""
        seen = Seen(green_ready=True, windows=(window,))
        self._standing = decide(self._wish, self._standing, seen, window.until).standing
        if self._standing.stage is Stage.INCONCLUSIVE and not self._standing.percent:
            return "left to a person"
        return _VERDICTS.get(self._standing.stage, "open")


def play(rule: Rule, scenario: Scenario, chance: Chance) -> Ending:
    """Play one rollout to its end, or to the scenario's limit."""
    answers = of_green = 0
    lost, number = 0.0, 0
    verdict: Verdict = "open"
    decided: tuple[int, int] | None = None
    while answers < scenario.limit and verdict == "open":
        count = min(scenario.window, scenario.limit - answers)
        green = _drawn(rule.percent, count, chance)
        unseen = _drawn(rule.shadow_percent, count, chance) if rule.shadow_percent else 0
        right = scenario.green_at(answers)
        lost += _lost(scenario.blue, right, count - green, green)
        answers, of_green = answers + count, of_green + green
        window = WindowSample(
            number * WINDOW_S,
            (number + 1) * WINDOW_S,
            _side(count - green, scenario.blue, scenario.spread, chance),
            _side(green + unseen, right, scenario.spread, chance),
        )
        number, verdict = number + 1, rule.look(window)
        if verdict == "rolled back" or (decided is None and rule.percent == ALL_PERCENT):
            decided = answers, of_green
    share = {"promoted": 1.0, "open": rule.percent / 100}.get(verdict, 0.0)
    lost += lost_later(scenario, answers, share)
    return Ending(verdict, *(decided or (answers, of_green)), lost)


def _drawn(percent: float, count: int, chance: Chance) -> int:
    """Return how many of so many requests fall into a share."""
    share = percent / 100
    return [chance() < share for _ in range(count)].count(True)


def _lost(blue: float, green: float, of_blue: float, of_green: float) -> float:
    best = max(blue, green)
    return (best - blue) * of_blue + (best - green) * of_green


def lost_later(scenario: Scenario, answers: int, share: float) -> float:
    """Return what is lost from the verdict to the horizon."""
    left = max(0, scenario.horizon - answers)
    before = max(0, min(left, scenario.turns_at - answers)) if scenario.green_later else left
    after = left - before
    lost = _lost(scenario.blue, scenario.green, before * (1 - share), before * share)
    later = scenario.green_at(scenario.horizon)
    return lost + _lost(scenario.blue, later, after * (1 - share), after * share)


def _side(count: int, right: float, spread: float, chance: Chance) -> SideSample:
    ones = 0
    total = squares = 0.0
    for _ in range(count):
        one = chance() < right
        value = OF_RIGHT * one + (1 - OF_RIGHT) * _confidence(spread, chance)
        ones, total, squares = ones + one, total + value, squares + value * value
    return SideSample(count, total, squares, count, ones, requests=count)


def _confidence(spread: float, chance: Chance) -> float:
    """Draw a confidence around 0.8 (Box and Muller, 1958), kept between 0 and 1."""
    normal = sqrt(-2 * log(1 - chance())) * cos(2 * pi * chance())
    return min(1.0, max(0.0, 0.8 + spread * normal))
