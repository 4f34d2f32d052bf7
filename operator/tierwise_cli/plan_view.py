"""A plan for a person: who goes where and why, what that costs, what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierwise_cli.plan_json import PlanOutcome
from tierwise_cli.printing import bullets, page, plain_table
from tierwise_core.fleet_changes import Change, Mark, Place
from tierwise_core.fleet_report import AllFrontier, FleetReport, Placed, Unplaced
from tierwise_core.placement import Rejection, Share
from tierwise_core.quantities import format_bytes
from tierwise_core.tier_usage import TierUsage

__all__ = ["print_explained", "print_plan"]

GIB = 2**30
MARK_STYLES = {Mark.STARTS: "green", Mark.STOPS: "red", Mark.CHANGES: "yellow", Mark.STAYS: "dim"}
ESTIMATED = "~"
Short = Callable[[str], str]


def print_plan(outcome: PlanOutcome) -> None:
    """The whole plan on standard output, the summary first."""
    out, report = page(), outcome.report
    short = _shortener(report)
    out.print(_summary(report), markup=False, style="bold")
    for what_if in outcome.what_ifs:
        out.print(f"what if: {what_if}", markup=False, style="dim")
    _section(out, "Who goes where", _places(report, short), if_any=report.placed)
    _print_unplaced(out, report.unplaced, short)
    _section(out, "Tiers", _tiers(report.tiers), if_any=report.tiers)
    _section(out, "Cost", _costs(report, short), if_any=report.tokens_per_second)
    _print_comparison(out, report, short)
    _print_changes(out, outcome, short)
    if outcome.notes:
        out.print("\nNotes", style="bold")
        bullets(out, outcome.notes)


def print_explained(placed: Placed) -> None:
    """One Specialist in full: each GPU's memory part by part, and every tier it does not go to."""
    out = page()
    out.print(f"\n{placed.key}", style="bold", markup=False)
    out.print(f"{placed.sized}.", markup=False)
    table = plain_table("ON", "WEIGHTS>", "KV CACHE>", "ACTIVATIONS>", "OVERHEAD>", "TOTAL>", "OF")
    for share in placed.assignment.shares:
        parts = share.memory
        table.add_row(
            _where(share),
            *(
                format_bytes(size)
                for size in (
                    parts.weights_bytes,
                    parts.kv_cache_bytes,
                    parts.activation_bytes,
                    parts.overhead_bytes,
                    parts.total_bytes_per_gpu,
                    share.usable_bytes_per_gpu,
                )
            ),
        )
    out.print(table)
    if placed.rejections:
        out.print(_rejections(placed.rejections))


def _section(out: Console, title: str, table: Table, *, if_any: object) -> None:
    if if_any:
        out.print(f"\n{title}", style="bold")
        out.print(table)


def _shortener(report: FleetReport) -> Short:
    """Names without their namespace where all have the same."""
    keys = [placed.key for placed in report.placed] + [each.key for each in report.unplaced]
    if len({key.partition("/")[0] for key in keys}) > 1:
        return lambda key: key
    return lambda key: key.partition("/")[2]


def _summary(report: FleetReport) -> str:
    homeless = {each.key for each in report.unplaced}
    count = len({placed.key for placed in report.placed} | homeless)
    used, gpus = (sum(getattr(tier, kind) for tier in report.tiers) for kind in ("used", "gpus"))
    own = "Specialist" if count == 1 else "Specialists"
    external = f", {len(report.external)} external" if report.external else ""
    return (
        f"{count - len(homeless)} of {count} {own} placed{external}: {used} of {gpus} GPUs, "
        f"{report.usd_per_hour:.2f} USD/h"
    )


def _places(report: FleetReport, short: Short) -> Table:
    table = plain_table(
        "SPECIALIST", "REPLICAS>", "ON", "GIB OF EACH GPU>", "USD/H>", "USD/1K TOK>", "WHY"
    )
    for placed in report.placed:
        for number, share in enumerate(placed.assignment.shares):
            first = number == 0
            table.add_row(
                short(placed.key) if first else "",
                str(share.replicas) if share.replicas else "asleep",
                _where(share),
                _need(share),
                f"{share.usd_per_hour:.2f}",
                _token_price(placed.usd_per_1k_tokens, measured=placed.measured) if first else "",
                placed.why if first else "",
            )
    return table


def _where(share: Share) -> str:
    gpus = share.gpus_per_replica
    return share.tier if gpus == 1 else f"{gpus} x {share.tier}"


def _need(share: Share) -> str:
    need, usable = share.memory.total_bytes_per_gpu, share.usable_bytes_per_gpu
    return f"{need / GIB:.1f} of {usable / GIB:.1f}"


def _token_price(usd: float | None, *, measured: bool) -> str:
    if usd is None:
        return "?"
    return f"{'' if measured else ESTIMATED}{usd:.6f}"


def _print_unplaced(out: Console, unplaced: Iterable[Unplaced], short: Short) -> None:
    for each in unplaced:
        some = f", {each.replicas} replicas" if each.replicas > 1 else ""
        out.print(
            Text.assemble(
                ("\nNo place for ", "bold"),
                (short(each.key), "bold red"),
                f" ({each.reason}{some})",
            )
        )
        if each.rejections:
            out.print(_rejections(each.rejections))
        else:
            out.print(each.message, markup=False)


def _rejections(rejections: Iterable[Rejection]) -> Table:
    table = plain_table("TIER", "WHY NOT")
    for rejection in rejections:
        table.add_row(rejection.tier, rejection.reason)
    return table


def _tiers(tiers: Sequence[TierUsage]) -> Table:
    """GPUs by tier; what others hold and what is closed to new pods only where there is any."""
    others, closed = any(tier.others for tier in tiers), any(tier.closed for tier in tiers)
    table = plain_table(
        *("TIER", "USD/GPU-H>", "NODES>", "GPUS>", "USED>"),
        *(["BY OTHERS>"] if others else []),
        *(["CLOSED>"] if closed else []),
        *("FREE>", "IN USE>", "USD/H>"),
    )
    for tier in tiers:
        share = tier.utilization
        table.add_row(
            *(tier.name, f"{tier.usd_per_gpu_hour:.2f}", str(tier.nodes), str(tier.gpus)),
            str(tier.used),
            *([str(tier.others)] if others else []),
            *([str(tier.closed)] if closed else []),
            *(str(tier.free), "-" if share is None else f"{share:.0%}"),
            f"{tier.usd_per_hour:.2f}",
        )
    return table


def _costs(report: FleetReport, short: Short) -> Table:
    table = plain_table("", "GPUS>", "USD/H>", "USD/1K TOKENS>")
    measured = all(placed.measured for placed in report.placed)
    table.add_row(
        "this plan",
        str(sum(tier.used for tier in report.tiers)),
        f"{report.usd_per_hour:.2f}",
        _token_price(report.usd_per_1k_tokens, measured=measured),
    )
    frontier = report.frontier
    if frontier is not None:
        table.add_row(
            f"all on {short(frontier.key)}",
            str(frontier.gpus) if frontier.gpus else "-",
            f"{frontier.usd_per_hour:.2f}",
            _token_price(frontier.usd_per_1k_tokens, measured=measured),
        )
    return table


def _print_comparison(out: Console, report: FleetReport, short: Short) -> None:
    """What the specialists save against a fleet of nothing but the most capable model."""
    if report.frontier is not None and report.usd_per_hour:
        out.print(_compared(report, report.frontier, short), markup=False)


def _compared(report: FleetReport, frontier: AllFrontier, short: Short) -> str:
    ratio = frontier.usd_per_hour / report.usd_per_hour
    verdict = f"{ratio:.1f} times the price" if ratio >= 1 else f"{ratio:.0%} of the price"
    name = short(frontier.key)
    if not frontier.gpus:
        return f"The same tokens a second from the provider of {name} alone: {verdict}."
    gpus = next((tier.gpus for tier in report.tiers if tier.name == frontier.tier), 0)
    missing = max(0, frontier.gpus - gpus)
    short_of = f", {missing} more than there are" if missing else ""
    plural = "" if frontier.replicas == 1 else "s"
    return (
        f"The same tokens a second from {name} alone: {frontier.replicas} replica{plural} on "
        f"{frontier.gpus} {frontier.tier}{short_of}, {verdict}."
    )


def _print_changes(out: Console, outcome: PlanOutcome, short: Short) -> None:
    if outcome.changes is None:
        return
    out.print(f"\nChanges against {outcome.against}", style="bold", markup=False)
    stays = [change for change in outcome.changes if _says_nothing(change)]
    moved = [change for change in outcome.changes if not _says_nothing(change)]
    table = Table.grid(padding=(0, 2, 0, 0))
    for change in moved:
        table.add_row(*_change(change, short))
    if moved:
        out.print(table)
    if stays:
        names = ", ".join(short(change.key) for change in stays)
        bullets(out, [f"{len(stays)} unchanged: {names}"], mark=str(Mark.STAYS))
    if not outcome.changes:
        out.print("nothing runs, and nothing is placed")
    total = sum(change.usd_per_hour for change in outcome.changes)
    out.print(f"{total:+.2f} USD/h in all", markup=False)


def _says_nothing(change: Change) -> bool:
    return change.mark is Mark.STAYS and not change.usd_per_hour


def _change(change: Change, short: Short) -> tuple[Text | str, ...]:
    style = MARK_STYLES[change.mark]
    before, after = _listed(change.before), _listed(change.after)
    way = f"{before} -> {after}" if before and after and before != after else before or after
    return (
        Text(str(change.mark), style),
        Text(short(change.key), style),
        way,
        f"{change.usd_per_hour:+.2f} USD/h",
        change.reason,
    )


def _listed(places: Iterable[Place]) -> str:
    return " + ".join(str(place) for place in places)
