"""What `tierwise size` shows a person: the parts, where it fits, why not elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tierwise_cli.printing import bullets, page, plain_table
from tierwise_core.fit import FitReport
from tierwise_core.model_metadata import Demand, ModelMetadata
from tierwise_core.placement import Tier
from tierwise_core.quantities import format_bytes

__all__ = ["print_report"]

SAID_ABOVE = "total_bytes_per_gpu"
"""The assumption that begins so is the table's line about the need of each GPU."""


def print_report(
    source: str,
    metadata: ModelMetadata | None,
    demand: Demand,
    report: FitReport,
    tiers: Sequence[Tier],
) -> None:
    """The whole report on standard output."""
    out = page()
    out.print(_title(source, metadata, demand), markup=False)
    out.print()
    out.print(_parts(report))
    out.print()
    _print_fits(out, report, {tier.name: tier for tier in tiers})
    if report.rejected:
        out.print("\nDoes not fit", style="bold")
        out.print(_rejected(report))
    if report.assumptions:
        out.print("\nAssumed", style="bold")
        bullets(out, [note for note in report.assumptions if not note.startswith(SAID_ABOVE)])


def _title(source: str, metadata: ModelMetadata | None, demand: Demand) -> str:
    what = source
    if metadata is not None:
        count = f", {_count(metadata.parameters)} parameters" if metadata.parameters else ""
        kind = metadata.quantization or metadata.dtype
        what = f"{source}: {metadata.architecture}{count}, {kind}"
    context = demand.context_length_tokens or (metadata.context_length if metadata else 0)
    one = demand.concurrency == 1
    load = "one request" if one else f"{demand.concurrency} requests at once"
    return f"{what}\nfor {load} of {context:,} tokens{'' if one else ' each'}"


def _count(parameters: int) -> str:
    """Parameters as people say them.

    >>> _count(8_030_261_248), _count(494_032_768), _count(126_000)
    ('8.03B', '494M', '126K')
    """
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if parameters >= size:
            return f"{parameters / size:.3g}{suffix}"
    return str(parameters)


def _parts(report: FitReport) -> Table:
    table = plain_table("PART", "BYTES>", "")
    table.add_row("weights, whole model", format_bytes(report.weights_bytes), "")
    per_token = format_bytes(report.kv_bytes_per_token)
    table.add_row("KV cache, whole model", format_bytes(report.kv_bytes), f"{per_token} per token")
    table.add_row("activations, each GPU", format_bytes(report.activation_bytes), "estimate")
    table.add_row("overhead, each GPU", format_bytes(report.overhead_bytes), "estimate")
    cut = report.fits[0].tensor_parallel if report.fits else None
    over = f"over {cut} GPUs" if cut and cut > 1 else "on 1 GPU" if cut else ""
    total = format_bytes(report.total_bytes_per_gpu)
    table.add_row("needed of each GPU", total, over, style="bold")
    return table


def _print_fits(out: Console, report: FitReport, tiers: dict[str, Tier]) -> None:
    if not report.fits:
        out.print("Fits on none of these tiers.", style="bold")
        return
    out.print("Fits, cheapest first", style="bold")
    table = plain_table(
        "TIER", "GPUS>", "USD/H>", "LEFT ON EACH GPU>", "MAX CONTEXT>", "MAX CONCURRENCY>"
    )
    for fit in report.fits:
        priced = tiers[fit.tier].usd_per_gpu_hour > 0
        table.add_row(
            fit.tier,
            str(fit.gpus),
            f"{fit.usd_per_hour:.2f}" if priced else "no price",
            format_bytes(fit.headroom_bytes),
            f"{fit.max_context:,}",
            f"{fit.max_concurrency:,}",
        )
    out.print(table)


def _rejected(report: FitReport) -> Table:
    table = plain_table("TIER", "WHY NOT")
    for misfit in report.rejected:
        table.add_row(misfit.tier, misfit.reason)
    return table
