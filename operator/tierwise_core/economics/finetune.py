"""When does a fine-tune earn its keep: amortisation, and whether one is ready for it at all.

002 prices LoRA training at $0.48 a million tokens up to 16B, $1.50 up to 69B and $2.90 up to 100B
(one provider, May 2026); DPO takes two to three times as much as SFT, and all that is not compute
two to five times the compute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tierwise_core.economics.reading import Count, Evidence, Positive, Share, Usd
from tierwise_core.errors import EconomicsError

__all__ = ["READY", "FineTuneCase", "FineTuneReport", "Training", "fine_tune", "training_usd"]

DAYS_PER_MONTH: Final = 30
MILLION: Final = 1_000_000
PRICES: Final = ((16.0, 0.48), (69.0, 1.50), (100.0, 2.90))
METHODS: Final = {"SFT": 1.0, "DPO": 2.5}
Method = Literal["SFT", "DPO"]
Ready = Literal["evalSet", "namedFailure", "data", "licence", "volume"]
READY: Final[Mapping[Ready, str]] = {
    "evalSet": "an eval set exists that looks like production",
    "namedFailure": "one failure is named precisely",
    "data": "labels or preference pairs exist, or can be made from traces",
    "licence": "the base model's licence allows the result's use",
    "volume": "the monthly saving exceeds the monthly upkeep",
}
Verdict = Literal["FineTune", "NotYet", "NotWorthIt"]


@dataclass(frozen=True, slots=True)
class Training:
    """One training run: its price, or what the price follows from."""

    usd: Usd | None = None
    examples: Count | None = None
    tokens_per_example: Positive | None = None
    epochs: Count = 1
    parameters_billion: Positive | None = None
    usd_per_million_tokens: Positive | None = None
    method: Method = "SFT"

    def __post_init__(self) -> None:
        """Hold it to what a price can be computed from."""
        if self.usd is None and (self.examples is None or self.tokens_per_example is None):
            raise EconomicsError("usd is missing; give it, or examples and tokensPerExample")
        priced = self.usd_per_million_tokens is not None or self.parameters_billion is not None
        if self.usd is None and not priced:
            raise EconomicsError(
                "usdPerMillionTokens is missing; give it, or parametersBillion of the base model"
            )
        if self.usd_per_million_tokens is None and (self.parameters_billion or 0) > PRICES[-1][0]:
            raise EconomicsError(
                f"parametersBillion is {self.parameters_billion:g}; over {PRICES[-1][0]:g} give "
                "usdPerMillionTokens"
            )


@dataclass(frozen=True, slots=True)
class FineTuneCase:
    """A workload and a run.

    ``preparation_factor`` is what data, evals and trials cost beside the compute, in its multiples;
    ``upkeep_usd_per_month`` pays refreshed data, evals and retraining. ``serving_usd_per_month`` is
    what the adapter's own serving adds, nothing where it shares its base's replicas.
    """

    usd_per_accepted: Positive
    accepted_per_month: Positive
    training: Training
    reduction: Share | None = None
    tuned_usd_per_accepted: Usd | None = None
    preparation_factor: Usd = 3.0
    upkeep_usd_per_month: Usd = 0.0
    serving_usd_per_month: Usd = 0.0
    evidence: Evidence = "estimated"
    ready: Mapping[Ready, bool] = field(default_factory=dict)
    least_requests_per_day: Positive = 1000.0
    volume_factors: tuple[Positive, ...] = (0.1, 0.25, 0.5, 1.0, 2.0, 10.0)

    def __post_init__(self) -> None:
        """Hold it to one way of saying what it saves."""
        if (self.reduction is None) == (self.tuned_usd_per_accepted is None):
            both = "both are given" if self.reduction is not None else "neither is given"
            raise EconomicsError(f"reduction and tunedUSDPerAccepted: {both}; give one")

    @property
    def saved_usd(self) -> float:
        """What each accepted output costs less; below 0 where it costs more."""
        if self.tuned_usd_per_accepted is not None:
            return self.usd_per_accepted - self.tuned_usd_per_accepted
        return self.usd_per_accepted * (self.reduction or 0.0)


@dataclass(frozen=True, slots=True)
class AtVolume:
    """What a month brings, and the days to pay back, at that many times the volume."""

    factor: float
    accepted_per_month: float
    net_usd_per_month: float
    payback_days: float


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the scorecard; ``holds`` None where nobody said."""

    name: str
    question: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class FineTuneReport:
    """The figures, the verdict with reasons, the scorecard, and other volumes."""

    training_usd: float
    upfront_usd: float
    saved_usd_per_month: float
    net_usd_per_month: float
    compute_payback_days: float
    payback_days: float
    least_accepted_per_month: float
    verdict: Verdict
    reasons: tuple[str, ...]
    scorecard: tuple[Check, ...]
    volumes: tuple[AtVolume, ...]


def training_usd(training: Training) -> float:
    """Return what one run costs.

    50,000 examples of 1,500 tokens on a 7B:

    >>> training_usd(Training(examples=50_000, tokens_per_example=1500, parameters_billion=7))
    36.0
    """
    if training.usd is not None:
        return training.usd
    per_million = training.usd_per_million_tokens or next(
        price for most, price in PRICES if (training.parameters_billion or 0) <= most
    )
    tokens = (training.examples or 0) * (training.tokens_per_example or 0) * training.epochs
    return tokens / MILLION * per_million * METHODS[training.method]


def fine_tune(case: FineTuneCase) -> FineTuneReport:
    """Amortise a fine-tune.

    A $30 adapter that takes 5 % off an output of 7 cents, 10,000 and 1,000 a day:

    >>> desk = FineTuneCase(0.07, 300_000, Training(usd=30), 0.05)
    >>> report = fine_tune(desk)
    >>> round(report.compute_payback_days, 2), round(report.volumes[0].payback_days, 2)
    (0.86, 34.29)
    >>> round(report.upfront_usd), round(report.payback_days, 2)
    (120, 3.43)
    """
    compute = training_usd(case.training)
    upfront = compute * (1 + case.preparation_factor)
    kept = case.upkeep_usd_per_month + case.serving_usd_per_month
    saved = case.saved_usd * case.accepted_per_month
    scorecard = _scorecard(case, saved > kept)
    verdict, reasons = _verdict(case, saved - kept, scorecard)
    return FineTuneReport(
        training_usd=compute,
        upfront_usd=upfront,
        saved_usd_per_month=saved,
        net_usd_per_month=saved - kept,
        compute_payback_days=_days(compute, saved),
        payback_days=_days(upfront, saved - kept),
        least_accepted_per_month=kept / case.saved_usd if case.saved_usd > 0 else math.inf,
        verdict=verdict,
        reasons=reasons,
        scorecard=scorecard,
        volumes=tuple(_at(case, factor, upfront, kept) for factor in case.volume_factors),
    )


def _days(usd: float, usd_per_month: float) -> float:
    return usd / usd_per_month * DAYS_PER_MONTH if usd_per_month > 0 else math.inf


def _at(case: FineTuneCase, factor: float, upfront: float, kept: float) -> AtVolume:
    volume = case.accepted_per_month * factor
    net = case.saved_usd * volume - kept
    return AtVolume(factor, volume, net, _days(upfront, net))


def _scorecard(case: FineTuneCase, pays: bool) -> tuple[Check, ...]:  # noqa: FBT001 - one fact
    said: dict[Ready, bool] = {**case.ready, "volume": case.ready.get("volume", True) and pays}
    return tuple(Check(name, words, said.get(name)) for name, words in READY.items())


def _verdict(
    case: FineTuneCase, net: float, scorecard: tuple[Check, ...]
) -> tuple[Verdict, tuple[str, ...]]:
    a_day = case.accepted_per_month / DAYS_PER_MONTH
    if net <= 0:
        words = f"it brings {net:,.0f} USD a month after its upkeep"
        return "NotWorthIt", (words,)
    missing = [f"ready.{one.name}: {_not(one)}" for one in scorecard if not one.holds]
    if a_day < case.least_requests_per_day:
        missing.append(
            f"{a_day:,.0f} accepted outputs a day are under {case.least_requests_per_day:,.0f}: "
            "upkeep tends to eat the saving"
        )
    if missing:
        return "NotYet", tuple(missing)
    held = "measured" if case.evidence == "measured" else "estimated; try it on a share first"
    return "FineTune", (f"it pays back, its saving is {held}",)


def _not(one: Check) -> str:
    return (
        f"not so that {one.question}" if one.holds is False else f"unknown whether {one.question}"
    )
