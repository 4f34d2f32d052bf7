"""`tierwise cost`: what answers cost, by whom, with idle GPUs in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from tierwise_cli.cluster import Access
from tierwise_cli.ledgers import LedgerUrl, ledger
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, OutputOption, examples
from tierwise_cli.printing import page, plain_table, print_json, reported

__all__ = ["EXAMPLES", "cost"]

EXAMPLES = examples(
    "tierwise cost",
    "tierwise cost --by tenant --since 7d",
    "tierwise cost --by field --since 2026-11-01 --until 2026-12-01 --output json",
    "tierwise cost --idle apart --ledger http://127.0.0.1:8090",
)
TINY: Final = 1e-9
CENTS_FROM: Final = 0.1


class By(StrEnum):
    """What the cost is told by."""

    SPECIALIST = "specialist"
    TIER = "tier"
    TENANT = "tenant"
    FIELD = "field"
    WORKLOAD = "workload"


class Idle(StrEnum):
    """Who pays for GPUs that nobody used."""

    HOLDER = "holder"
    FLEET = "fleet"
    APART = "apart"


def cost(  # noqa: PLR0913, PLR0917 - the options of a command
    by: Annotated[By, typer.Option(help="What to tell it by.")] = By.SPECIALIST,
    since: Annotated[
        str,
        typer.Option(
            help="From when: how long ago (24h, 7d), a date or a time. Whole hours count.",
            metavar="WHEN",
        ),
    ] = "24h",
    until: Annotated[
        str | None, typer.Option(help="Until when, likewise; by default now.", metavar="WHEN")
    ] = None,
    idle: Annotated[
        Idle,
        typer.Option(
            help="Who pays for idle GPUs: the calls of the same Specialist and hour (holder), all "
            "calls of the hour (fleet), or nobody (apart)."
        ),
    ] = Idle.HOLDER,
    at: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Tell what answers cost: GPUs, busy and idle, energy, operations, and providers.

    The groups add up to the fleet's bill and the providers' together. A figure with ~ is estimated.
    """
    with reported(output):
        with ledger(at, Access(kubeconfig, context), namespace) as client:
            told = client.get("/v1/cost", by=by.value, since=since, until=until, idle=idle.value)
        if output is Output.JSON:
            print_json(told)
        else:
            _print(told)


def _print(told: Mapping[str, Any]) -> None:
    out = page()
    since, until = (_moment(told[name]) for name in ("since", "until"))
    out.print(f"[bold]Cost by {told['by']}[/bold], {since} to {until}")
    table = plain_table(
        told["by"].capitalize(), "USD", "Idle", "GPU-h", "Requests", "USD/accepted",
        "USD/1k tokens", "Req/GPU-h", "Passed on",
    )  # fmt: skip
    for group in (*told["groups"], {**told["total"], "name": "total"}):
        table.add_row(*_row(group))
    out.print(table)
    for line in _notes(told):
        out.print(line, markup=False)


def _row(group: Mapping[str, Any]) -> list[str]:
    marks = group["marks"]

    def shown(name: str, text: str) -> str:
        return f"~{text}" if text != "-" and marks.get(name) == "estimated" else text

    return [
        escape(group["name"]),
        shown("usd", _usd(group["usd"])),
        shown("idleShare", _percent(group["idleShare"])),
        shown("gpuHours", f"{group['gpuHours']:.2f}" if group["gpuHours"] else "-"),
        str(group["requests"]),
        shown("usdPerAccepted", _usd(group["usdPerAccepted"])),
        shown("usdPer1kTokens", _usd(group["usdPer1kTokens"])),
        shown("queriesPerGPUHour", _number(group["queriesPerGPUHour"])),
        _percent(group["passedOnRate"]),
    ]


def _notes(told: Mapping[str, Any]) -> list[str]:
    total, notes = told["total"], []
    notes.append(
        f"The fleet's bill is ${told['fleetUSD']}; providers bill ${total['externalUSD']:.2f}. "
        f"Idle time is paid by: {told['idle']}."
    )
    if total["wattHours"]:
        mark = "" if total["marks"]["wattHours"] == "measured" else "about "
        rate = _number(total["requestsPerWattHour"])
        earned = total["revenuePerWattHour"]
        more = f", ${earned:.4f} of revenue by watt-hour" if earned is not None else ""
        notes.append(f"GPUs drew {mark}{total['wattHours']:.0f} Wh: {rate} requests by Wh{more}.")
    if told["gapSeconds"]:
        hours = told["gapSeconds"] / 3600
        notes.append(f"For {hours:.1f} h nobody saw the fleet: nothing is billed for that time.")
    if told["unpricedGPUHours"]:
        notes.append(f"{told['unpricedGPUHours']:.1f} GPU hours had no price yet, and cost 0 here.")
    if told["fleetSeenAt"] is None:
        notes.append("The ledger has never seen a fleet: only providers are counted.")
    return notes


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _usd(usd: float | None) -> str:
    """Print dollars: cents for larger amounts, three digits for smaller ones.

    >>> [_usd(one) for one in (12.345, 0.00083333, 0.0, None)]
    ['12.35', '0.000833', '0', '-']
    """
    if usd is None:
        return "-"
    if abs(usd) < TINY:
        return "0"
    return f"{usd:.2f}" if usd >= CENTS_FROM else f"{usd:.12f}"[: _digits(usd)]


def _digits(usd: float) -> int:
    """Count the characters until three digits that are not leading zeros."""
    zeros = 0
    while usd < CENTS_FROM:
        usd, zeros = usd * 10, zeros + 1
    return len("0.") + zeros + 3


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004 - digits
