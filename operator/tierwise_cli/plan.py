"""`tierwise plan`: who would go where, why, and what that costs. Nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tierwise_cli.cluster import Access
from tierwise_cli.errors import UsageError
from tierwise_cli.field_options import told_in_options
from tierwise_cli.graph import EXAMPLES as GRAPH_EXAMPLES
from tierwise_cli.graph import graph
from tierwise_cli.live import read_cluster
from tierwise_cli.manifests import Manifests, read_manifests
from tierwise_cli.model_options import Endpoint, ModelRoots, Offline, sources
from tierwise_cli.models import Sources, read_models
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.plan_json import PlanOutcome, as_json
from tierwise_cli.plan_notes import notes_on
from tierwise_cli.plan_view import print_explained, print_plan
from tierwise_cli.printing import console, print_json, reported
from tierwise_cli.scene import bandwidths, fleet_of, provider_prices, with_readings
from tierwise_cli.what_if_nodes import with_extra_nodes
from tierwise_core.fleet_changes import Change, changes, places_now, places_planned
from tierwise_core.fleet_plan import Fleet, FleetPlan, plan_fleet
from tierwise_core.fleet_report import FleetReport, Placed, report
from tierwise_core.what_if import WhatIf, apply, parse
from tierwise_core.what_if_names import did_you_mean

__all__ = ["EXAMPLES", "Wanted", "outcome_of", "plan", "planning"]

EXAMPLES = examples(
    "tierwise plan -f examples/fleets/mixed",
    "tierwise plan -f specialists.yaml --nodes rtx-4090=4x2 --nodes h100-80gb=1x8",
    "tierwise plan --live",
    "tierwise plan --live -f new-specialist.yaml --explain new-specialist",
    "tierwise plan --live --what-if 'price h100=2.00' --what-if 'remove node gpu-1'",
    "tierwise plan -f examples/fleets/mixed --output json | jq .totals",
)
UNPLACED = 1
BAD_INPUT = 2

Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--filename",
        "-f",
        help="Manifests: a file, a directory, or - for standard input. GPUTiers, Specialists, "
        "Nodes; Pods and Deployments say what runs. Repeatable.",
        metavar="FILE|DIR",
    ),
]
Live = Annotated[
    bool,
    typer.Option("--live", help="Plan for the cluster; with -f, as if those were applied to it."),
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to plan: the options of the command, read."""

    manifests: Manifests
    sources: Sources
    nodes: Sequence[str] = ()
    what_ifs: Sequence[WhatIf] = ()


def plan(  # noqa: PLR0913, PLR0917 - one option each
    context_of_typer: typer.Context,
    filename: Files = None,
    live: Live = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            help="Try a change: 'price TIER=USD', 'nodes TIER+2', 'nodes TIER=4x8', 'gpus NODE=7', "
            "'cordon NODE', 'remove node|tier|specialist NAME', 'specialist NAME replicas=4'. "
            "Repeatable.",
            metavar="CHANGE",
        ),
    ] = None,
    nodes: Annotated[
        list[str] | None,
        typer.Option(
            "--nodes",
            help="More nodes: TIER=COUNTxGPUS, of a GPUTier of the manifests or of a GPU of the "
            "catalogue (rtx-4090, h100-80gb ...) at its list price. Repeatable.",
            metavar="TIER=NxG",
        ),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            "--explain",
            help="Also show this Specialist's memory part by part, and each tier it does not go "
            "to, in numbers. Repeatable.",
            metavar="NAME",
        ),
    ] = None,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 even if something has no place.")
    ] = False,
    offline: Offline = False,
    endpoint: Endpoint = "",
    model_root: ModelRoots = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Plan a fleet: who goes where and why, what it costs, what would change.

    It asks the very solver that the operator asks, and changes nothing. Exit code 0: everything has
    a place; 1: something has none; 2: the input is wrong.
    """
    if context_of_typer.invoked_subcommand is not None:
        return
    with reported(output), told_in_options():
        wanted = Wanted(
            manifests=_manifests(filename or [], Access(kubeconfig, context) if live else None),
            sources=sources(endpoint, offline=offline, roots=model_root or ()),
            nodes=nodes or (),
            what_ifs=[parse(text) for text in what_if or ()],
        )
        outcome = outcome_of(wanted)
        explained = _explained(outcome.report, explain or ())
    if output is Output.JSON:
        print_json(as_json(outcome))
    else:
        print_plan(outcome)
        for placed in explained:
            print_explained(placed)
    _tell_problems(outcome, output)
    raise typer.Exit(_exit_code(outcome, exit_zero=exit_zero))


def _manifests(files: Sequence[Path], live: Access | None) -> Manifests:
    if not files and live is None:
        raise UsageError(
            "there is nothing to plan",
            fix="give manifests with -f FILE, or the cluster with --live; "
            "tierwise plan -f examples/fleets/laptop is a beginning",
        )
    written = read_manifests(files)
    return written if live is None else written.over(read_cluster(live))


def outcome_of(wanted: Wanted) -> PlanOutcome:
    """The plan, its figures and its changes.

    Raises:
        UsageError, WhatIfError: the input makes no sense as a whole.
    """
    fleet = with_extra_nodes(fleet_of(wanted.manifests), wanted.nodes)
    if not fleet.specialists:
        raise UsageError("there is no Specialist to plan", fix="add one, or name its file with -f")
    models = [sp.model for sp in fleet.specialists if sp.model]
    fleet, by_status = with_readings(fleet, read_models(models, wanted.sources))
    before, against = _before(fleet, wanted.what_ifs)
    after = fleet
    for what_if in wanted.what_ifs:
        after = apply(after, what_if)
    planned = plan_fleet(after)
    speeds = bandwidths(wanted.manifests, after.tiers)
    found = report(after, planned, speeds, provider_prices(wanted.manifests))
    return PlanOutcome(
        report=found,
        changes=_changes(fleet, after, planned, before, found),
        against=against,
        what_ifs=[what_if.text for what_if in wanted.what_ifs],
        problems=wanted.manifests.problems,
        notes=notes_on(after, planned, found, by_status),
    )


def _before(fleet: Fleet, what_ifs: Sequence[WhatIf]) -> tuple[FleetPlan | Fleet | None, str]:
    """What to compare with: what runs; where nothing is known to, the plan without the changes."""
    if fleet.holdings:
        return fleet, "what runs now"
    if what_ifs:
        return plan_fleet(fleet), "the plan without --what-if"
    return None, ""


def _changes(
    fleet: Fleet,
    after: Fleet,
    planned: FleetPlan,
    before: FleetPlan | Fleet | None,
    found: FleetReport,
) -> tuple[Change, ...] | None:
    if before is None:
        return None
    places = places_now(before) if isinstance(before, Fleet) else places_planned(before)
    was, now = ({t.name: t.usd_per_gpu_hour for t in each.tiers} for each in (fleet, after))
    whys = {placed.key: placed.why for placed in found.placed}
    return changes(places, planned, was, now, whys)


def _explained(found: FleetReport, names: Sequence[str]) -> list[Placed]:
    """The Specialists named by --explain; one without a place is explained anyway."""
    by_name = {each.key.partition("/")[2]: each for each in found.placed}
    by_name |= {each.key: each for each in found.placed}
    homeless = {name for each in found.unplaced for name in (each.key, each.key.partition("/")[2])}
    for name in names:
        if name not in by_name and name not in homeless:
            raise UsageError(
                f"--explain {name!r}: there is no such Specialist{did_you_mean(name, by_name)}"
            )
    return [by_name[name] for name in names if name in by_name]


def _tell_problems(outcome: PlanOutcome, output: Output) -> None:
    """What is wrong with the input, on standard error; JSON has it inside."""
    if output is Output.JSON:
        return
    for problem in (*outcome.problems, *outcome.report.problems):
        console(stderr=True).print(f"tierwise: {problem}", markup=False)


def _exit_code(outcome: PlanOutcome, *, exit_zero: bool) -> int:
    invalid = any(each.reason == "InvalidSpec" for each in outcome.report.unplaced)
    if outcome.problems or outcome.report.problems or invalid:
        return BAD_INPUT
    return UNPLACED if outcome.report.unplaced and not exit_zero else 0


planning = typer.Typer(invoke_without_command=True, no_args_is_help=False)
planning.callback(epilog=EXAMPLES)(plan)
planning.command("graph", epilog=GRAPH_EXAMPLES)(graph)
