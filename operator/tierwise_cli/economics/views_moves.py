"""What `payback`, `finetune`, `self-managed`, `fanout` and `consensus` show a person."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierwise_cli.economics.words import months, notes, percent, unit_usd, usd, verdict
from tierwise_cli.printing import bullets, plain_table
from tierwise_core.economics.consensus import ConsensusReport
from tierwise_core.economics.fanout import FanOutReport
from tierwise_core.economics.finetune import FineTuneReport
from tierwise_core.economics.payback import PaybackReport
from tierwise_core.economics.self_managed import SelfManagedReport

__all__ = [
    "print_consensus",
    "print_fan_out",
    "print_fine_tune",
    "print_payback",
    "print_self_managed",
]


def _figures(*rows: tuple[str, str]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def print_payback(out: Console, report: PaybackReport) -> None:
    """Print when the move pays, the verdict, the gates and the sensitivity."""
    out.print(
        _figures(
            ("migration", f"{usd(report.migration_usd)} USD"),
            ("saved a month", (f"{usd(report.saved_usd_per_month)} USD "
                              f"({percent(report.saved_share)} of each accepted output)")),
            ("payback", _paid_back(report)),
            ("by the horizon", f"{usd(report.saved_by_horizon_usd)} USD after the migration"),
            ("pays from", f"{_count(report.least_accepted_per_month)} accepted outputs a month"),
        )
    )  # fmt: skip
    verdict(out, report.verdict, report.reasons)
    if report.gates_missing:
        out.print("\nGates not shown to hold; each left out is a risk to name", style="bold")
        bullets(out, report.gates_missing)
    out.print("\nIf the work costs and the saving comes out otherwise: months", style="bold")
    out.print(_sensitivity(report))


def _paid_back(report: PaybackReport) -> str:
    return f"{months(report.months)}, {months(report.months_with_ramp)} with the ramp"


def _sensitivity(report: PaybackReport) -> Table:
    savings = sorted({one.saving_factor for one in report.sensitivity})
    works = sorted({one.engineering_factor for one in report.sensitivity})
    table = plain_table("work", *(f"{saving:.0%} saved>" for saving in savings), "")
    found = {(one.engineering_factor, one.saving_factor): one.months for one in report.sensitivity}
    for work in works:
        table.add_row(f"x {work:g}", *(months(found[work, one], "") for one in savings), "")
    return table


def _count(value: float) -> str:
    return f"{value:,.0f}" if value != float("inf") else "no number of"


def print_fine_tune(out: Console, report: FineTuneReport) -> None:
    """Print the amortisation, the scorecard and other volumes."""
    out.print(
        _figures(
            ("training", (f"{usd(report.training_usd)} USD, {usd(report.upfront_usd)} with data, "
                         "evals and trials")),
            ("a month", (f"{usd(report.saved_usd_per_month)} USD saved, "
                        f"{usd(report.net_usd_per_month)} after upkeep")),
            ("payback", (f"{months(report.payback_days, 'days')}; the compute alone "
                        f"{months(report.compute_payback_days, 'days')}")),
            ("breaks even at", (f"{_count(report.least_accepted_per_month)} accepted outputs a "
                               "month")),
        )
    )  # fmt: skip
    verdict(out, report.verdict, report.reasons)
    out.print("\nReadiness", style="bold")
    for check in report.scorecard:
        out.print(f"  {_yes(check.holds):8} {check.question}", markup=False)
    out.print("\nAt other volumes", style="bold")
    table = plain_table("times>", "accepted/month>", "USD/month after upkeep>", "payback>", "")
    for one in report.volumes:
        paid = months(one.payback_days, "days")
        volume = f"{one.accepted_per_month:,.0f}"
        table.add_row(f"{one.factor:g}", volume, usd(one.net_usd_per_month), paid, "")
    out.print(table)


def _yes(holds: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[holds]


def print_self_managed(out: Console, report: SelfManagedReport) -> None:
    """Print the floor, fleets beside managed ones, the signals and the verdict."""
    floor = f"{report.floor_gpus:.0f} GPUs" if report.floor_gpus != float("inf") else "no fleet"
    out.print(
        f"The team costs {usd(report.team_usd_per_month)} USD a month; {floor} of these prices "
        "would carry it."
    )
    out.print()
    table = plain_table("GPUs>", "own USD/month>", "managed USD/month>", "team / rent>", "")
    for one in report.fleets:
        here = "this fleet" if one.gpus == report.fleet.gpus else ""
        style = "bold" if here else ""
        cells = (str(one.gpus), usd(one.own_usd_per_month), usd(one.managed_usd_per_month),
                 f"{one.tax:.0%}", here)  # fmt: skip
        table.add_row(*(Text(cell, style=style) for cell in cells))
    out.print(table)
    out.print("\nSignals to give it back; two are enough", style="bold")
    for signal in report.signals:
        word = {True: "fired", False: "quiet", None: "unknown"}[signal.fired]
        out.print(f"  {word:8} {signal.name}: {signal.seen}", markup=False)
    verdict(out, report.verdict, report.reasons)


def print_fan_out(out: Console, report: FanOutReport) -> None:
    """Print the prices of a thousand tokens, the inversion point and the way to it."""
    out.print(
        _figures(
            ("large", f"{unit_usd(report.large_usd_per_1k)} USD for 1,000 tokens"),
            ("small", f"{unit_usd(report.small_usd_per_1k)} USD for 1,000 tokens"),
            ("ratio", f"{report.ratio:.2f} for one answer"),
            ("cheaper", (f"up to {report.cheaper_up_to} at once; from {report.inversion_at} on the "
                        "large one is as cheap or cheaper")),
        )
    )  # fmt: skip
    out.print()
    table = plain_table("asked>", "USD/answer>", "of the large one>", "")
    for row in report.rows:
        word = "cheaper" if row.cheaper else "not cheaper"
        table.add_row(str(row.specialists), unit_usd(row.usd_per_answer),
                      f"{row.share_of_large:.0%}", word)  # fmt: skip
    out.print(table)
    notes(out, report.notes)


def print_consensus(out: Console, report: ConsensusReport) -> None:
    """Print nodes and latency of each setting, then its cost."""
    table = plain_table("setting", "protocol", "f>", "nodes>", "agree>", "consensus ms>",
                        "total ms>", "for people")  # fmt: skip
    money = plain_table("setting", "protocol", "calls>", "USD/hour>", "USD/year>",
                        "three years>", "")  # fmt: skip
    for row in report.rows:
        name = Text(row.name)
        counts = (str(one) for one in (row.faults, row.nodes, row.quorum))
        table.add_row(name, row.protocol, *counts, f"{row.consensus_ms:g}", f"{row.total_ms:g}",
                      row.fit)  # fmt: skip
        sums = (row.usd_per_hour, row.usd_per_year, row.three_years_usd)
        money.add_row(name, row.protocol, f"x {row.times_one}", *(usd(one) for one in sums), "")
    out.print(table)
    out.print()
    out.print(money)
    notes(out, report.notes)
