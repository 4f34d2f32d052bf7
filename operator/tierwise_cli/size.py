"""`tierwise size`: what a model needs, where it fits, what that costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tierwise_cli.cluster import Access
from tierwise_cli.config_only import COUNTED, counted_from_config
from tierwise_cli.field_options import in_options, told_in_options
from tierwise_cli.model_options import Endpoint, amount, prices, source_of, sources
from tierwise_cli.models import read_model
from tierwise_cli.options import Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import print_json, reported
from tierwise_cli.size_tiers import LIST_PRICES, tiers_to_compare
from tierwise_cli.size_view import print_report
from tierwise_core.errors import SourceError
from tierwise_core.fit import fits
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.sizing import missing_without_metadata

__all__ = ["EXAMPLES", "size"]

EXAMPLES = examples(
    "tierwise size Qwen/Qwen3-8B",
    "tierwise size ./my-model --context 8192 --concurrency 16",
    "tierwise size hf://meta-llama/Llama-3.1-70B --tier a100-80gb --tier h100-80gb",
    "tierwise size ./my-model --fleet examples/fleets/mixed --output json",
)

_DEMAND = "What one replica must hold"
_WHERE = "Which tiers"
_KNOWN = "What you know better than the files"


def size(  # noqa: PLR0913, PLR0917 - one option each
    source: Annotated[
        str,
        typer.Argument(
            help="hf://OWNER/NAME or just OWNER/NAME, a directory with config.json, or any other "
            "source of spec.model.source.",
            show_default=False,
        ),
    ],
    revision: Annotated[
        str | None, typer.Option(help="A branch, tag or commit.", metavar="REVISION")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            "--context",
            help="Tokens of one request, prompt and answer; by default the model's own context.",
            min=1,
            rich_help_panel=_DEMAND,
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(help="Requests answered at once.", min=1, rich_help_panel=_DEMAND),
    ] = 8,
    tensor_parallel: Annotated[
        int | None,
        typer.Option(
            help="Cut the model over exactly that many GPUs; by default the fewest that fit.",
            min=1,
            rich_help_panel=_DEMAND,
        ),
    ] = None,
    kv_cache_dtype: Annotated[
        str,
        typer.Option(
            help="vLLM's --kv-cache-dtype: auto, fp8, fp8_e4m3, fp8_e5m2.",
            rich_help_panel=_DEMAND,
        ),
    ] = "auto",
    quantization: Annotated[
        str,
        typer.Option(
            help="vLLM's --quantization: fp8 quantizes 16-bit weights while they load. By default "
            "what the files say.",
            rich_help_panel=_DEMAND,
            metavar="METHOD",
        ),
    ] = "",
    tier: Annotated[
        list[str] | None,
        typer.Option(
            "--tier",
            help="A tier of the catalogue (rtx-4090, l4, h100-80gb ...) or of --fleet. Repeatable; "
            "by default the common ones, or all of the fleet.",
            rich_help_panel=_WHERE,
            metavar="NAME",
        ),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            help="What one GPU of a tier costs for one hour: h100-80gb=2.50. Repeatable; by "
            "default the fleet's, else list prices.",
            rich_help_panel=_WHERE,
            metavar="TIER=USD",
        ),
    ] = None,
    fleet: Annotated[
        Path | None,
        typer.Option(
            help="A file or directory with GPUTiers, and Nodes if you like: their tiers.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The tiers of the cluster.", rich_help_panel=_WHERE)
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="Bytes of all weights: 40Gi.", rich_help_panel=_KNOWN, metavar="BYTES"),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option(help="Parameters: 7G.", rich_help_panel=_KNOWN, metavar="COUNT"),
    ] = None,
    kv_bytes_per_token: Annotated[
        int | None,
        typer.Option(
            help="KV cache of one token over all GPUs, in bytes.", min=1, rich_help_panel=_KNOWN
        ),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(help="Activations on each GPU.", rich_help_panel=_KNOWN, metavar="BYTES"),
    ] = None,
    overhead: Annotated[
        str | None,
        typer.Option(
            help="CUDA context and engine on each GPU.", rich_help_panel=_KNOWN, metavar="BYTES"
        ),
    ] = None,
    endpoint: Endpoint = "",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context_name: Annotated[
        str | None,
        typer.Option(
            "--kube-context",
            help="The kubeconfig's context; by default its current one.",
            rich_help_panel="Which cluster",
        ),
    ] = None,
) -> None:
    """Say how much GPU memory a model takes, on which tiers it fits, and what that costs.

    Reads config.json and the headers of the weights, some hundred kilobytes; never the weights.
    """
    with reported(output), told_in_options():
        overrides = SizeOverrides(
            weights_bytes=amount("--weights", weights),
            parameters=amount("--parameters", parameters),
            kv_bytes_per_token=kv_bytes_per_token,
            activation_bytes=amount("--activation", activation),
            overhead_bytes=amount("--overhead", overhead),
        )
        demand = Demand(
            context_length_tokens=context,
            concurrency=concurrency,
            tensor_parallel=tensor_parallel,
            kv_cache_dtype=kv_cache_dtype,
            quantization=quantization,
        )
        access = Access(kubeconfig, context_name)
        among = tiers_to_compare(fleet, access if live else None, tier or [], prices(price or []))
        metadata, notes = _read(source_of(source), revision, overrides, demand, endpoint)
        report = fits(metadata, overrides, demand, among.tiers, among.corrections)
        if fleet is None and not live:
            notes = (*notes, LIST_PRICES)
        report = replace(report, assumptions=(*map(in_options, report.assumptions), *notes))
    if output is Output.JSON:
        print_json(report.as_json())
    else:
        print_report(source, metadata, demand, report, among.tiers)


def _read(
    source: str, revision: str | None, overrides: SizeOverrides, demand: Demand, endpoint: str
) -> tuple[ModelMetadata | None, tuple[str, ...]]:
    """What the model says; nothing, and a note, where the options suffice without it."""
    where = sources(endpoint, offline=False, roots=())
    try:
        counted = counted_from_config(source, overrides)
        if counted is not None:
            return counted, (COUNTED,)
        return read_model(source, revision, overrides, where), ()
    except SourceError as error:
        if missing_without_metadata(overrides, demand):
            raise
        return None, (f"the source was not read, the options say it all: {error}",)
