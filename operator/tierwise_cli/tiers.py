"""`tierwise tiers discover`: GPUTiers for the nodes of a cluster, ready to apply."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tierwise_cli.cluster import Access
from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.live import read_nodes
from tierwise_cli.manifests import Manifests, read_manifests
from tierwise_cli.model_options import prices
from tierwise_cli.options import (
    Context,
    Kubeconfig,
    ManifestForm,
    ManifestFormOption,
    Output,
    examples,
)
from tierwise_cli.printing import console, reported
from tierwise_cli.scene import fleet_of
from tierwise_cli.tier_yaml import as_object, as_yaml
from tierwise_core.tier_discovery import Discovery, discover

__all__ = ["EXAMPLES", "discover_tiers", "tiering"]

EXAMPLES = examples(
    "tierwise tiers discover --live",
    "tierwise tiers discover --live --price l4=0.35 | kubectl apply -f -",
    "kubectl get nodes -o yaml | tierwise tiers discover -f -",
    "tierwise tiers discover -f examples/fleets/mixed/nodes.yaml --output json",
)


def discover_tiers(  # noqa: PLR0913, PLR0917 - one option each
    filename: Annotated[
        list[Path] | None,
        typer.Option(
            "--filename",
            "-f",
            help="Nodes (kubectl get nodes -o yaml), and GPUTiers that are there already: a file, "
            "a directory, or - for standard input. Repeatable.",
            metavar="FILE|DIR",
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="The nodes of the cluster.")] = False,
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            help="What you pay for one GPU for one hour, by product or tier name: l4=0.35. "
            "Repeatable; by default a list price, named in a comment.",
            metavar="PRODUCT=USD",
        ),
    ] = None,
    output: ManifestFormOption = ManifestForm.YAML,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Write GPUTiers for the GPUs that nodes have and no GPUTier covers yet.

    Reads the labels of NVIDIA's GPU feature discovery, of AMD's node labeller and of GKE, EKS and
    AKS, MIG slices and taints. Look at the prices, then apply the output.
    """
    with reported(Output.TEXT):
        manifests = _manifests(filename or [], Access(kubeconfig, context) if live else None)
        fleet = fleet_of(manifests)
        found = discover(fleet.nodes, fleet.tiers, prices(price or []))
        if not fleet.nodes:
            raise UsageError("there are no nodes", fix="kubectl get nodes -o yaml writes them")
        _write(found, output)
        _tell(found)


def _manifests(files: Sequence[Path], live: Access | None) -> Manifests:
    if not files and live is None:
        raise UsageError(
            "there is nothing to look at",
            fix="give the cluster with --live, or its nodes with -f FILE",
        )
    written = read_manifests(files)
    return written if live is None else written.over(read_nodes(live))


def _write(found: Discovery, form: ManifestForm) -> None:
    priced = [tier for tier in found.tiers if tier.usd_per_gpu_hour is not None]
    if form is ManifestForm.JSON:
        objects: list[dict[str, Any]] = [as_object(tier) for tier in priced]
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        sys.stdout.write(json.dumps(listed, indent=2) + "\n")
    else:
        sys.stdout.write("---\n".join(as_yaml(tier) for tier in priced))


def _tell(found: Discovery) -> None:
    """What needs a person, on standard error, so that the output can be applied as it is.

    Raises:
        CliError: a GPU was found that no tier can be written for yet.
    """
    out = console(stderr=True)
    if found.covered:
        out.print(f"tierwise: there already: {', '.join(found.covered)}", markup=False)
    if not found.tiers and not found.problems:
        out.print("tierwise: no GPU without a GPUTier", markup=False)
    unpriced = [
        f"tier {tier.name} ({tier.product}, {tier.gpus} GPUs) is left out: no price is known; give "
        f"--price {tier.name}=USD"
        for tier in found.tiers
        if tier.usd_per_gpu_hour is None
    ]
    troubles = [*found.problems, *unpriced]
    if troubles:
        raise CliError("\n".join(troubles))


tiering = typer.Typer(no_args_is_help=True, help="GPUTiers: find those that a cluster needs.")
tiering.command("discover", epilog=EXAMPLES)(discover_tiers)
