"""The routefit matrix: workloads by routes, what an accepted output costs in each cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tierwise_core.economics.lcpr import Traces, lcpr
from tierwise_core.economics.reading import Evidence, Positive, Usd
from tierwise_core.errors import EconomicsError

__all__ = ["Cell", "FitRow", "RouteFitCase", "RouteFitReport", "WorkloadRow", "route_fit"]

OutAt = Literal["constraints", "capability"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One workload on one route: its cost, or ``out``, why the funnel left it out."""

    usd_per_accepted: Usd | None = None
    traces: Traces | None = None
    evidence: Evidence = "estimated"
    out: str | None = None
    out_at: OutAt = "constraints"

    def __post_init__(self) -> None:
        """Hold it to one thing."""
        given = [self.usd_per_accepted is not None, self.traces is not None, self.out is not None]
        if sum(given) != 1:
            raise EconomicsError(
                f"usdPerAccepted, traces and out: {sum(given)} of them are given; give one"
            )

    def cost(self) -> tuple[float, Evidence] | None:
        """Give the LCPR and how it is known; None where the route is out."""
        if self.usd_per_accepted is not None:
            return self.usd_per_accepted, self.evidence
        return (lcpr(self.traces), self.traces.evidence) if self.traces else None


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One workload; a route without a cell was never looked at."""

    name: str
    accepted_per_month: Positive
    cells: Mapping[str, Cell]
    current: str | None = None


@dataclass(frozen=True, slots=True)
class RouteFitCase:
    """The matrix; ``baseline`` is where workloads are that do not say it."""

    routes: tuple[str, ...]
    workloads: tuple[WorkloadRow, ...]
    baseline: str

    def __post_init__(self) -> None:
        """Hold the names to the routes."""
        known = ", ".join(self.routes)
        if self.baseline not in self.routes:
            raise EconomicsError(f"baseline is {self.baseline!r}; give one of {known}")
        for at, row in enumerate(self.workloads):
            for name in (*row.cells, *((row.current,) if row.current else ())):
                if name not in self.routes:
                    raise EconomicsError(
                        f"workloads[{at}] ({row.name}) names the route {name!r}; "
                        f"give one of {known}"
                    )


@dataclass(frozen=True, slots=True)
class FitCell:
    """What is shown of a cell; ``usd_per_accepted`` None where it is out or unknown."""

    route: str
    usd_per_accepted: float | None
    evidence: Evidence | None
    out: str | None
    out_at: OutAt | None
    cheapest: bool


@dataclass(frozen=True, slots=True)
class FitRow:
    """A workload: its cells, and what moving to the cheapest feasible route changes a month."""

    name: str
    accepted_per_month: float
    cells: tuple[FitCell, ...]
    current: str
    recommended: str | None
    recommended_evidence: Evidence | None
    current_usd_per_month: float | None
    recommended_usd_per_month: float | None


@dataclass(frozen=True, slots=True)
class RouteFitReport:
    """The matrix, its coverage (measured cells over priced ones), the fleet's sums and notes."""

    routes: tuple[str, ...]
    rows: tuple[FitRow, ...]
    measured_cells: int
    priced_cells: int
    current_usd_per_month: float
    recommended_usd_per_month: float
    notes: tuple[str, ...]


def route_fit(case: RouteFitCase) -> RouteFitReport:
    """Mark the cheapest feasible route of every workload.

    >>> row = WorkloadRow("support", 500_000, {
    ...     "closed": Cell(0.041, evidence="measured"), "open": Cell(0.031),
    ...     "own": Cell(out="too little volume")})
    >>> report = route_fit(RouteFitCase(("closed", "open", "own"), (row,), "closed"))
    >>> report.rows[0].recommended, report.current_usd_per_month, report.recommended_usd_per_month
    ('open', 20500.0, 15500.0)
    >>> report.measured_cells, report.priced_cells, report.notes
    (1, 2, ('support: open is estimated; measure it before moving',))
    """
    rows = tuple(_row(case, row) for row in case.workloads)
    cells = [cell for row in rows for cell in row.cells if cell.evidence]
    return RouteFitReport(
        routes=case.routes,
        rows=rows,
        measured_cells=sum(cell.evidence == "measured" for cell in cells),
        priced_cells=len(cells),
        current_usd_per_month=sum(row.current_usd_per_month or 0.0 for row in rows),
        recommended_usd_per_month=sum(row.recommended_usd_per_month or 0.0 for row in rows),
        notes=tuple(note for row in rows for note in _notes(row)),
    )


def _row(case: RouteFitCase, row: WorkloadRow) -> FitRow:
    costs = {name: cost for name, cell in row.cells.items() if (cost := cell.cost())}
    current = row.current or case.baseline
    # Of two that cost the same, to stay costs nothing more.
    order = sorted(costs, key=lambda name: (costs[name][0], name != current, name))
    best = order[0] if order else None
    return FitRow(
        name=row.name,
        accepted_per_month=row.accepted_per_month,
        cells=tuple(_cell(name, row.cells.get(name), best) for name in case.routes),
        current=current,
        recommended=best,
        recommended_evidence=costs[best][1] if best else None,
        current_usd_per_month=_monthly(row, costs.get(current)),
        recommended_usd_per_month=_monthly(row, costs.get(best) if best else None),
    )


def _cell(route: str, cell: Cell | None, best: str | None) -> FitCell:
    cost = cell.cost() if cell else None
    if cell is None or cost is None:
        out = cell.out if cell else None
        return FitCell(route, None, None, out, cell.out_at if cell else None, cheapest=False)
    return FitCell(route, cost[0], cost[1], None, None, cheapest=route == best)


def _monthly(row: WorkloadRow, cost: tuple[float, Evidence] | None) -> float | None:
    return round(cost[0] * row.accepted_per_month, 6) if cost else None


def _notes(row: FitRow) -> tuple[str, ...]:
    told = []
    if row.recommended is None:
        told.append(f"{row.name}: no route is feasible; relax a constraint or add a candidate")
    if row.recommended != row.current and row.recommended_evidence == "estimated":
        told.append(
            f"{row.name}: {row.recommended} is estimated; measure it before moving{_known(row)}"
        )
    if row.recommended and row.current_usd_per_month is None:
        told.append(f"{row.name}: its current route {row.current} has no cost; nothing to compare")
    return tuple(told)


def _known(row: FitRow) -> str:
    """Name the cheapest route of which the cost is known, if it is not where the workload is."""
    measured = [cell for cell in row.cells if cell.evidence == "measured"]
    best = min(measured, key=lambda cell: cell.usd_per_accepted or 0.0, default=None)
    if best is None or best.route == row.current:
        return ""
    return f"; of the measured ones {best.route} is the cheapest"
