"""What it cost, by Specialist, tier, tenant, field or workload; each figure measured or estimated.

A group's money is what its calls are charged for GPUs (:mod:`tierwise_core.attribution`), and what
providers bill for them. What no call pays stands in groups of its own, so that the groups always
add up to the fleet's bill and the providers' together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tierwise_core.attribution import (
    NOTHING,
    Attribution,
    Cell,
    IdlePolicy,
    RateHistory,
    Rates,
    Used,
    attribute,
)
from tierwise_core.bill import FREE, Bill
from tierwise_core.cost_counts import (
    DIMENSIONS,
    EXTERNAL,
    JUDGED_GOOD,
    JUDGES_GROUP,
    SHADOWS_GROUP,
    Calls,
    Charge,
    Dimension,
    Labels,
    Requests,
    Tally,
)
from tierwise_core.cost_figures import Figures

__all__ = [
    "DIMENSIONS", "EXTERNAL", "JUDGES_GROUP", "SHADOWS_GROUP", "Calls", "Charge", "CostReport",
    "Dimension", "Labels", "Requests", "cost_report", "report_of", "spent",
]  # fmt: skip

IDLE_GROUP: Final = "(idle)"
FREE_GROUP: Final = "(free)"
OTHERS_GROUP: Final = "(others)"
NOT_JUDGED: Final = "relayed"


@dataclass(frozen=True, slots=True)
class CostReport:
    """The groups, the dearest first, and all of it together."""

    by: Dimension
    groups: tuple[Figures, ...]
    total: Figures

    def to_json(self) -> dict[str, Any]:
        """Tell it in JSON's types."""
        groups = [one.to_json() for one in self.groups]
        return {"by": self.by, "groups": groups, "total": self.total.to_json()}


_Tallies = defaultdict[str, Tally]


def cost_report(  # noqa: PLR0913 - what is counted, and how it is to be shared
    bill: Bill,
    calls: Iterable[Calls],
    requests: Iterable[Requests],
    rates: RateHistory | Mapping[tuple[str, str], Rates],
    *,
    by: Dimension = "specialist",
    policy: IdlePolicy = "holder",
    charges: Mapping[str, Charge] | None = None,
) -> CostReport:
    """Put the report together.

    A Specialist's figures have all calls that it answered, also those of requests that another one
    answered in the end; its requests are those that it answered itself.

    >>> from tierwise_core.bill import HOUR_MS, PriceChange, Span, bill as make_bill
    >>> whole = make_bill([Span("h100", "demo/large", 1, 0, HOUR_MS)],
    ...                   [PriceChange("h100", 0, 3_000_000_000)], 0, HOUR_MS)
    >>> labels = Labels("demo/large", "h100", "demo/team-a")
    >>> report = cost_report(whole, [Calls(0, labels, 10, 10, 1000, 0, 2000)],
    ...     [Requests(labels, "accepted", 10, 1000, 2000, said_no=4)],
    ...     {("demo/large", "h100"): Rates(1_000_000, 1_000_000, measured=True)}, by="tenant")
    >>> report.groups[0].name, report.groups[0].usd_per_accepted, report.total.usd_per_1k_tokens
    ('demo/team-a', 0.5, 1.0)
    """
    return report_of(by, spent(bill, calls, rates, by, policy), requests, charges or {})


def spent(
    bill: Bill,
    calls: Iterable[Calls],
    rates: RateHistory | Mapping[tuple[str, str], Rates],
    by: Dimension,
    policy: IdlePolicy = "holder",
) -> list[Figures]:
    """Give what groups took of a bill, and of providers: the part that no later word changes."""
    calls = list(calls)
    own = [one for one in calls if one.labels.tier != EXTERNAL]
    tallies: _Tallies = defaultdict(Tally)
    _add_gpu_time(tallies, by, attribute(bill, _used(own), rates, policy), bill)
    for one in calls:
        tallies[one.labels.of(by)].count(one)
    return [tally.figures(name) for name, tally in tallies.items()]


def report_of(
    by: Dimension,
    parts: Iterable[Figures],
    requests: Iterable[Requests],
    charges: Mapping[str, Charge],
) -> CostReport:
    """Put together what was spent, in any number of parts, and the requests that came of it."""
    found: dict[str, Figures] = {}
    for one in (*parts, *_of_requests(by, requests, charges)):
        before = found.get(one.name)
        found[one.name] = one if before is None else before + one
    groups = sorted(found.values(), key=lambda one: (-one.nano_usd, one.name))
    total = sum((replace(one, name="") for one in groups), Figures(""))
    return CostReport(by, tuple(groups), total)


def _used(calls: Iterable[Calls]) -> Mapping[Cell, Sequence[Used[Labels]]]:
    found: dict[Cell, dict[Labels, Used[Labels]]] = {}
    for one in calls:
        labels = one.labels
        cell = found.setdefault(Cell(one.hour_ms, labels.specialist, labels.tier), {})
        before = cell.get(labels) or Used(labels, 0)
        cell[labels] = Used(
            labels,
            before.calls + one.calls,
            before.fresh_tokens + max(0, one.input_tokens - one.cached_tokens),
            before.output_tokens + one.output_tokens,
            before.uncounted_calls + one.calls - one.counted,
            before.milliseconds + one.milliseconds,
        )
    return {cell: list(kinds.values()) for cell, kinds in found.items()}


def _add_gpu_time(
    tallies: _Tallies, by: Dimension, shared: Attribution[Labels], bill: Bill
) -> None:
    assumed = _assumed(bill)
    for (cell, labels), share in shared.shares.items():
        guessed, unmetered = assumed[cell]
        tallies[labels.of(by)].take(
            share.busy, share.idle,
            estimated=share.estimated or guessed, energy_estimated=unmetered,
        )  # fmt: skip
    guessed = any(not line.measured for line in bill.lines)
    unmetered = any(not line.energy_measured for line in bill.lines)
    nobodys = [(_idle_name(by, *whose), part) for whose, part in shared.idle.items()]
    nobodys += [
        (tier if by == "tier" else OTHERS_GROUP, part) for tier, part in shared.others.items()
    ]
    for name, part in nobodys:
        tallies[name].take(NOTHING, part, estimated=guessed, energy_estimated=unmetered)


def _idle_name(by: Dimension, holder: str, tier: str) -> str:
    if by == "tier":
        return tier
    if by == "specialist":
        return FREE_GROUP if holder == FREE else holder
    return IDLE_GROUP


def _assumed(bill: Bill) -> dict[Cell, tuple[bool, bool]]:
    """Tell of each cell whether its capacity, and whether its energy was assumed in part."""
    found: dict[Cell, tuple[bool, bool]] = {}
    for line in bill.lines:
        cell = Cell(line.hour_ms, line.holder, line.tier)
        guessed, unmetered = found.get(cell, (False, False))
        found[cell] = guessed or not line.measured, unmetered or not line.energy_measured
    return found


def _of_requests(
    by: Dimension, requests: Iterable[Requests], charges: Mapping[str, Charge]
) -> Iterator[Figures]:
    for one in requests:
        charge = charges.get(one.labels.tenant)
        yield Figures(
            one.labels.of(by),
            requests=one.requests,
            accepted=one.accepted,
            answered=one.requests if one.state in JUDGED_GOOD | {NOT_JUDGED} else 0,
            escalated=one.requests if one.state == "escalated" else 0,
            revenue_nano_usd=charge.of(one) if charge is not None else 0,
            charged=charge is not None,
        )
