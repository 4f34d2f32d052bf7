"""What `funnel`, `routefit`, `gate` and `latency-tiers` show a person."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierwise_cli.economics.words import notes, percent, unit_usd, usd
from tierwise_cli.printing import plain_table
from tierwise_core.economics.funnel import FunnelReport
from tierwise_core.economics.gate import GateReport, GateRow
from tierwise_core.economics.latency_tiers import LatencyReport
from tierwise_core.economics.routefit import FitCell, FitRow, RouteFitReport

__all__ = ["print_funnel", "print_gate", "print_latency_tiers", "print_route_fit"]


def print_funnel(out: Console, report: FunnelReport) -> None:
    """Print the stages with counts, who fell out why, and the row for the matrix."""
    out.print(f"Candidates for {report.workload}", style="bold", markup=False)
    table = plain_table("stage", "entered>", "left>", "out", "why")
    for stage in report.stages:
        first = (stage.stage, str(stage.entered), str(stage.left))
        rows = [(one.candidate, "; ".join(one.reasons)) for one in stage.out] or [("", "")]
        for at, (name, why) in enumerate(rows):
            table.add_row(*(first if at == 0 else ("", "", "")), Text(name), Text(why))
    out.print(table)
    if report.columns:
        out.print("\nIts row of the routefit matrix", style="bold")
        fit = plain_table("route", "candidate", "USD/accepted>", "how known", "")
        for column in report.columns:
            mark = "cheapest" if column.cheapest else ""
            fit.add_row(Text(column.route), Text(column.candidate),
                        unit_usd(column.usd_per_accepted), column.evidence, mark)  # fmt: skip
        out.print(fit)
    notes(out, report.notes)


def print_route_fit(out: Console, report: RouteFitReport) -> None:
    """Print the matrix (* marks the cheapest feasible cell, ~ an estimated one), and the sums."""
    table = plain_table("USD/accepted", *(f"{one}>" for one in report.routes), "")
    for row in report.rows:
        table.add_row(Text(row.name), *(_fit_cell(cell) for cell in row.cells), "")
    out.print(table)
    out.print(
        "* cheapest feasible   ~ estimated   N/A a constraint   — failed the screen   ? never "
        "looked at",
        style="dim",
    )
    out.print()
    out.print(_sums(report.rows))
    saved = report.current_usd_per_month - report.recommended_usd_per_month
    out.print(
        f"\nUSD a month: {usd(report.current_usd_per_month)} now, "
        f"{usd(report.recommended_usd_per_month)} on the marked routes, {usd(saved)} less. "
        f"Measured: {report.measured_cells} of {report.priced_cells} priced cells."
    )
    notes(out, report.notes)


def _sums(rows: tuple[FitRow, ...]) -> Table:
    table = plain_table("workload", "accepted/month>", "USD/month now>", "then>", "go to")
    for row in rows:
        sums = usd(row.current_usd_per_month), usd(row.recommended_usd_per_month)
        table.add_row(Text(row.name), f"{row.accepted_per_month:,.0f}", *sums, _goal(row))
    return table


def _fit_cell(cell: FitCell) -> Text:
    if cell.usd_per_accepted is None:
        out = "—" if cell.out_at == "capability" else "N/A"
        return Text(out if cell.out else "?", style="dim")
    marks = ("*" if cell.cheapest else "") + ("~" if cell.evidence == "estimated" else "")
    return Text(f"{unit_usd(cell.usd_per_accepted)}{marks}", style="bold" if cell.cheapest else "")


def _goal(row: FitRow) -> Text:
    if row.recommended is None:
        return Text("nowhere")
    return Text("stay" if row.recommended == row.current else row.recommended)


def print_gate(out: Console, report: GateReport) -> None:
    """Print the gate, at other prices too, and each load beside it."""
    out.print(
        f"Dedicated breaks even at {percent(report.required_utilization)} utilization; "
        f"the least replicas cost {usd(report.dedicated_usd_per_month)} USD a month."
    )
    for price, share in report.at_other_prices:
        out.print(f"  at {price:.2f} USD an hour: {percent(share)}")
    if report.rows:
        out.print()
        out.print(_loads(report.rows))
    notes(
        out, (*report.notes, *(f"{row.name}: {note}" for row in report.rows for note in row.notes))
    )


def _loads(rows: tuple[GateRow, ...]) -> Table:
    table = plain_table("load", "accepted/mo>", "mean>", "peak>", "GPUs>", "dedicated>",
                        "serverless>", "hybrid (base)>", "cheapest")  # fmt: skip
    for row in rows:
        table.add_row(
            Text(row.name),
            f"{row.accepted_per_month:,.0f}",
            f"{row.average_utilization:.0%}",
            f"{row.peak_utilization:.0%}",
            str(row.dedicated_replicas),
            usd(row.dedicated_usd_per_month),
            usd(row.serverless_usd_per_month),
            f"{usd(row.hybrid_usd_per_month)} ({row.hybrid_base_replicas})",
            Text(row.cheapest, style="bold"),
        )
    return table


def print_latency_tiers(out: Console, report: LatencyReport) -> None:
    """Print which traffic tolerates which tier, and what that saves."""
    table = plain_table("traffic", "requests/mo>", "served", "tolerates", "USD/mo now>", "then>",
                        "saved>", "how known")  # fmt: skip
    for row in report.rows:
        table.add_row(
            Text(row.name),
            f"{row.requests_per_month:,.0f}",
            row.served,
            Text(row.tolerates, style="bold" if row.tolerates != row.served else ""),
            usd(row.usd_per_month),
            usd(row.usd_per_month_there),
            usd(row.saved_usd_per_month),
            row.evidence,
        )
    out.print(table)
    shares = ", ".join(f"{name} {share:.0%}" for name, share in report.shares.items())
    out.print(f"\nRequests by the tier they tolerate: {shares}.")
    out.print(
        f"{report.movable_share:.0%} of requests could move; that saves "
        f"{usd(report.saved_usd_per_month)} of {usd(report.usd_per_month)} USD a month "
        f"({percent(report.saved_share)})."
    )
    notes(out, report.notes)
