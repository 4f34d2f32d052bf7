"""The model candidate funnel: constraints, capability, economics, routes, in this order.

Price comes third on purpose: what cannot serve the workload, or not well enough, is never priced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from tierwise_core.economics.lcpr import Traces, lcpr
from tierwise_core.economics.reading import Count, Evidence, Positive, Rate, Share, Usd
from tierwise_core.errors import EconomicsError
from tierwise_core.wilson import interval

__all__ = ["Candidate", "FunnelCase", "FunnelReport", "Screen", "Workload", "funnel"]

Stage = Literal["constraints", "capability", "economics", "routes"]
STAGES: Final[tuple[Stage, ...]] = ("constraints", "capability", "economics", "routes")


@dataclass(frozen=True, slots=True)
class Workload:
    """What a candidate has to do; an empty list asks for nothing."""

    name: str
    p95_input_tokens: Rate = 0.0
    modalities: tuple[str, ...] = ("text",)
    regions: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    certifications: tuple[str, ...] = ()
    p95_requests_per_second: Rate = 0.0
    quality_floor: Share = 0.0
    least_cases: Count = 50
    most_usd_per_accepted: Usd | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """How many of the production-representative cases were answered well enough."""

    cases: Count
    passed: Rate

    def __post_init__(self) -> None:
        """Hold the passed cases to the cases."""
        if self.passed > self.cases:
            raise EconomicsError(
                f"passed is {self.passed:g} of {self.cases} cases; give at most {self.cases}"
            )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model at one provider or on own GPUs; ``context_tokens`` None is no limit known to bind.

    What its accepted output costs is told by ``usd_per_accepted`` or follows from ``traces``.
    """

    name: str
    route: str
    context_tokens: Positive | None = None
    modalities: tuple[str, ...] = ("text",)
    regions: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    certifications: tuple[str, ...] = ()
    requests_per_second: Positive | None = None
    screen: Screen | None = None
    usd_per_accepted: Usd | None = None
    traces: Traces | None = None
    evidence: Evidence = "estimated"

    def cost(self) -> tuple[float, Evidence] | None:
        """Give the LCPR and how it is known; None where nothing tells it."""
        if self.usd_per_accepted is not None:
            return self.usd_per_accepted, self.evidence
        return (lcpr(self.traces), self.traces.evidence) if self.traces else None


@dataclass(frozen=True, slots=True)
class FunnelCase:
    """One workload and all candidates for it."""

    workload: Workload
    candidates: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        """Hold the names apart."""
        names = [one.name for one in self.candidates]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise EconomicsError(f"candidates has {', '.join(twice)} twice; give each its own name")


@dataclass(frozen=True, slots=True)
class Out:
    """Who fell out, and every reason of that stage."""

    candidate: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StageReport:
    """How many entered a stage, and who fell out there."""

    stage: Stage
    entered: int
    left: int
    out: tuple[Out, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A route of the routefit matrix: its cheapest candidate for this workload."""

    route: str
    candidate: str
    usd_per_accepted: float
    evidence: Evidence
    cheapest: bool


@dataclass(frozen=True, slots=True)
class FunnelReport:
    """The four stages, the row they give the routefit matrix, and what to look at."""

    workload: str
    stages: tuple[StageReport, ...]
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def funnel(case: FunnelCase) -> FunnelReport:
    """Send the candidates through the four stages.

    >>> desk = Workload("support", p95_input_tokens=12_000, regions=("eu",), quality_floor=0.85)
    >>> passed = Screen(100, 91)
    >>> report = funnel(FunnelCase(desk, (
    ...     Candidate("a", "closed", regions=("eu",), screen=passed, usd_per_accepted=0.041),
    ...     Candidate("b", "open", 8_192, regions=("eu",), screen=passed, usd_per_accepted=0.01),
    ...     Candidate("c", "open", 32_768, regions=("eu",), screen=Screen(100, 70)),
    ... )))
    >>> [(stage.entered, stage.left) for stage in report.stages]
    [(3, 2), (2, 1), (1, 1), (1, 1)]
    >>> report.stages[0].out[0].reasons
    ('contextTokens is 8192, the p95 of the input is 12000',)
    """
    rules: tuple[tuple[Stage, Callable[[Candidate], tuple[str, ...]]], ...] = (
        ("constraints", lambda one: _constraints(one, case.workload)),
        ("capability", lambda one: _capability(one, case.workload)),
        ("economics", lambda one: _economics(one, case.workload)),
    )
    left, stages = case.candidates, []
    for stage, rule in rules:
        report, left = _stage(stage, left, rule)
        stages.append(report)
    best, routes = _routes(left)
    stages.append(routes)
    return FunnelReport(case.workload.name, tuple(stages), best, _notes(case, left))


def _stage(
    stage: Stage, entered: tuple[Candidate, ...], rule: Callable[[Candidate], tuple[str, ...]]
) -> tuple[StageReport, tuple[Candidate, ...]]:
    judged = [(one, rule(one)) for one in entered]
    left = tuple(one for one, reasons in judged if not reasons)
    out = tuple(Out(one.name, reasons) for one, reasons in judged if reasons)
    return StageReport(stage, len(entered), len(left), out), left


def _constraints(one: Candidate, workload: Workload) -> tuple[str, ...]:
    told = [
        _lacks("modalities", workload.modalities, one.modalities),
        _lacks("regions", workload.regions, one.regions, wants_any=True),
        _lacks("rights", workload.rights, one.rights),
        _lacks("certifications", workload.certifications, one.certifications),
    ]
    if one.context_tokens is not None and one.context_tokens < workload.p95_input_tokens:
        told.insert(
            0,
            f"contextTokens is {one.context_tokens:.0f}, the p95 of the input is "
            f"{workload.p95_input_tokens:.0f}",
        )
    limit = one.requests_per_second
    if limit is not None and limit < workload.p95_requests_per_second:
        told.append(
            f"requestsPerSecond is {limit:g}, the p95 of the load is "
            f"{workload.p95_requests_per_second:g}"
        )
    return tuple(words for words in told if words)


def _lacks(what: str, wanted: Iterable[str], has: Iterable[str], *, wants_any: bool = False) -> str:
    wanted, has = tuple(wanted), tuple(has)
    missing = [one for one in wanted if one not in has]
    if not missing or (wants_any and len(missing) < len(wanted)):
        return ""
    return f"{what} is {', '.join(has) or 'empty'}; {' or '.join(missing) if wants_any else ', '.join(missing)} is needed"  # noqa: E501


def _capability(one: Candidate, workload: Workload) -> tuple[str, ...]:
    if one.screen is None:
        return ("no screen: run 50 to 200 production-representative cases",)
    if one.screen.cases < workload.least_cases:
        return (
            f"screen.cases is {one.screen.cases}; {workload.least_cases} or more tell something",
        )
    share = one.screen.passed / one.screen.cases
    if share >= workload.quality_floor:
        return ()
    return ((f"{share:.1%} of {one.screen.cases} cases passed; the floor is "
            f"{workload.quality_floor:.1%}"),)  # fmt: skip


def _economics(one: Candidate, workload: Workload) -> tuple[str, ...]:
    cost = one.cost()
    if cost is None:
        return ("no cost: give usdPerAccepted or traces",)
    most = workload.most_usd_per_accepted
    if most is not None and cost[0] > most:
        return (f"an accepted output costs {cost[0]:.4f} USD; the most is {most:.4f}",)
    return ()


def _routes(left: tuple[Candidate, ...]) -> tuple[tuple[Column, ...], StageReport]:
    """Keep the cheapest of each route."""
    priced = [(one, cost) for one in left if (cost := one.cost()) is not None]
    best: dict[str, tuple[Candidate, tuple[float, Evidence]]] = {}
    for one, cost in sorted(priced, key=lambda pair: (pair[1][0], pair[0].name)):
        best.setdefault(one.route, (one, cost))
    lowest = min((cost[0] for _, cost in best.values()), default=0.0)
    columns = tuple(
        Column(route, one.name, cost[0], cost[1], cost[0] == lowest)
        for route, (one, cost) in best.items()
    )
    out = tuple(
        Out(one.name, (f"{best[one.route][0].name} is cheaper on {one.route}",))
        for one, _ in priced
        if best[one.route][0] is not one
    )
    return columns, StageReport("routes", len(left), len(columns), out)


def _notes(case: FunnelCase, left: tuple[Candidate, ...]) -> tuple[str, ...]:
    told = []
    for one in left:
        cost = one.cost()
        if cost and cost[1] == "estimated":
            told.append(f"{one.name}: its cost is estimated; measure it on real traffic")
        if one.screen and _unsure(one.screen, case.workload.quality_floor):
            told.append(
                f"{one.name}: {one.screen.cases} cases leave it open whether it is above "
                f"{case.workload.quality_floor:.0%}; screen more"
            )
    return tuple(told)


def _unsure(screen: Screen, floor: float) -> bool:
    lower, _ = interval(screen.passed / screen.cases, screen.cases)
    return lower < floor
