"""`tierwise plan graph`: which fields to branch into models of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierwise_cli.cluster import Access
from tierwise_cli.errors import UsageError
from tierwise_cli.field_options import told_in_options
from tierwise_cli.graph_view import as_json, print_advice
from tierwise_cli.live import read_cluster
from tierwise_cli.live_graph import graphs_of
from tierwise_cli.manifests import Manifests
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import print_json, reported
from tierwise_cli.profiles import Profile, figures_of, read_profile
from tierwise_cli.scene import catalogue_tier, fleet_of
from tierwise_core.decomposition import advise
from tierwise_core.field_figures import OneGPU
from tierwise_core.fleet import GPUTier
from tierwise_core.price_list import PRICE_LIST
from tierwise_core.quantities import parse_quantity
from tierwise_core.what_if_names import did_you_mean

__all__ = ["EXAMPLES", "graph"]

EXAMPLES = examples(
    "tierwise plan graph -f examples/graphs/support-desk.yaml",
    "tierwise plan graph -f examples/graphs/support-desk.yaml --tier h100-80gb",
    "tierwise plan graph --live --tier rtx-4090 -f figures.yaml",
)


def graph(  # noqa: PLR0913, PLR0917 - one option each
    filename: Annotated[
        Path | None,
        typer.Option(
            "--filename",
            "-f",
            help="The profile: fields, their volume, contradiction rate and model size, in YAML or "
            "JSON; - for standard input. With --live, only figures and bounds of it are read.",
            metavar="FILE",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The Specialists of the cluster and their sizes.")
    ] = False,
    tier: Annotated[
        str | None,
        typer.Option(
            help="The GPU that one submodel should fit: of the catalogue (rtx-4090, h100-80gb ...) "
            "or, with --live, a GPUTier. By default the profile's, or the cluster's cheapest.",
            metavar="NAME",
        ),
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Of the Specialists, with --live.")
    ] = "default",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Advise which fields deserve a model of their own.

    A field is branched until one submodel fits one GPU (hardware bound) or its contradiction rate
    is below 2 % (statistical bound).
    """
    with reported(output), told_in_options():
        if filename is None and not live:
            raise UsageError(
                "there is no graph to advise on",
                fix="give a profile with -f FILE (examples/graphs/support-desk.yaml is one), or "
                "the cluster with --live",
            )
        profile = read_profile(filename) if filename else Profile()
        cluster = read_cluster(Access(kubeconfig, context)) if live else Manifests()
        gpu = _gpu(profile, tier, fleet_of(cluster).tiers)
        if live:
            roots = graphs_of(cluster, namespace, profile.figures)
        elif profile.graph is not None:
            roots = (figures_of(profile.graph),)
        else:
            raise UsageError(f"-f {filename}: has no graph", fix="write graph: {field: ...}")
        advice = tuple(advise(root, gpu, profile.limits) for root in roots)
    if output is Output.JSON:
        print_json(as_json(advice, gpu))
    else:
        print_advice(advice, gpu, profile.limits)


def _gpu(profile: Profile, asked: str | None, tiers: tuple[GPUTier, ...]) -> OneGPU:
    """The GPU of --tier, else of the profile, else of the cheapest tier of the cluster."""
    name = asked or profile.gpu.tier
    if name is None and profile.gpu.memory is not None:
        usable = int(parse_quantity(profile.gpu.memory) * profile.gpu.usable_fraction)
        return OneGPU("GPU", usable, profile.gpu.usd_per_hour)
    sound = [tier for tier in tiers if tier.invalid is None and tier.memory_bytes]
    if name is None and sound:
        name = min(sound, key=lambda each: (each.usd_per_gpu_hour, each.name)).name
    if name is None:
        raise UsageError(
            "no GPU is named", fix="give --tier rtx-4090, or gpu: {tier: rtx-4090} in the profile"
        )
    known = {each.name: each for each in sound}
    found = known.get(name) or catalogue_tier(name)
    if found is None or not found.memory_bytes:
        names = [*known, *(price.tier_name for price in PRICE_LIST)]
        raise UsageError(
            f"tier {name!r}: is neither a GPUTier nor a GPU of the catalogue"
            f"{did_you_mean(name, names)}",
            fix=f"they are {', '.join(names)}",
        )
    return OneGPU(name, int(found.memory_bytes * found.usable_fraction), found.usd_per_gpu_hour)
