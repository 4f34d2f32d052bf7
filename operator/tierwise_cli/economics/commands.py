"""The commands of `tierwise economics`, each a case, a calculation and a view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console

from tierwise_cli.cluster import Access
from tierwise_cli.economics import views_moves, views_routes
from tierwise_cli.economics.cases import File, case_of, shown
from tierwise_cli.economics.live import (
    ByOption,
    Chosen,
    FieldOption,
    Live,
    LiveOption,
    Since,
    case,
    fine_tune_fields,
    gate_fields,
    latency_fields,
    payback_fields,
    route_fit_fields,
)
from tierwise_cli.ledgers import LedgerUrl
from tierwise_cli.options import (
    Context,
    Kubeconfig,
    Namespace,
    Output,
    OutputOption,
    examples,
)
from tierwise_cli.printing import reported
from tierwise_core.economics.consensus import ConsensusCase
from tierwise_core.economics.consensus import consensus as _consensus
from tierwise_core.economics.fanout import FanOutCase, fan_out
from tierwise_core.economics.finetune import FineTuneCase, fine_tune
from tierwise_core.economics.funnel import FunnelCase
from tierwise_core.economics.funnel import funnel as _funnel
from tierwise_core.economics.gate import GateCase
from tierwise_core.economics.gate import gate as _gate
from tierwise_core.economics.latency_tiers import LatencyCase
from tierwise_core.economics.latency_tiers import latency_tiers as _latency_tiers
from tierwise_core.economics.payback import PaybackCase
from tierwise_core.economics.payback import payback as _payback
from tierwise_core.economics.routefit import RouteFitCase, route_fit
from tierwise_core.economics.self_managed import SelfManagedCase
from tierwise_core.economics.self_managed import self_managed as _self_managed

__all__ = ["economics"]

Case = TypeVar("Case")
Report = TypeVar("Report")

economics = typer.Typer(
    no_args_is_help=True,
    help="What to buy, run, move or tune: each takes a YAML file of figures, and prints a table "
    "or JSON.",
    epilog=examples(
        "tierwise economics gate examples/economics/gate.yaml",
        "tierwise economics routefit examples/economics/routefit.yaml --output json",
    ),
)


def _examples(name: str) -> str:
    call = f"tierwise economics {name} examples/economics/{name}.yaml"
    return examples(call, f"{call} --output json")


def _run(
    kind: type[Case],
    compute: Callable[[Case], Report],
    view: Callable[[Console, Report], None],
    file: Path | None,
    output: Output,
) -> None:
    with reported(output):
        shown(compute(case_of(kind, file)), view, output)


def _live_examples(name: str, more: str = "") -> str:
    file = f"tierwise economics {name} examples/economics/{name}.yaml"
    return examples(file, f"tierwise economics {name} {more}--live --since 7d")


@economics.command(epilog=_examples("funnel"))
def funnel(file: File = None, output: OutputOption = Output.TEXT) -> None:
    """Send candidates through constraints, capability, economics and routes, in this order."""
    _run(FunnelCase, _funnel, views_routes.print_funnel, file, output)


@economics.command(epilog=_live_examples("routefit"))
def routefit(  # noqa: PLR0913, PLR0917 - the options of a command
    file: File = None,
    live: LiveOption = False,
    ledger: LedgerUrl = None,
    since: Since = "7d",
    field: FieldOption = None,
    by: ByOption = "field",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Lay workloads over routes and mark the cheapest feasible one, measured or estimated."""
    found = Live(live, ledger, Access(kubeconfig, context), namespace)
    with reported(output):
        shown(
            route_fit(case(RouteFitCase, file, found, Chosen(since, field, by), route_fit_fields)),
            views_routes.print_route_fit,
            output,
        )


@economics.command(epilog=_live_examples("gate", "prices.yaml "))
def gate(  # noqa: PLR0913, PLR0917 - the options of a command
    file: File = None,
    live: LiveOption = False,
    ledger: LedgerUrl = None,
    since: Since = "7d",
    field: FieldOption = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Say from which utilization own replicas pay, and how to split each load by the hour."""
    found = Live(live, ledger, Access(kubeconfig, context), namespace)
    with reported(output):
        shown(
            _gate(case(GateCase, file, found, Chosen(since, field), gate_fields)),
            views_routes.print_gate,
            output,
        )


@economics.command(epilog=_live_examples("payback", "target.yaml "))
def payback(  # noqa: PLR0913, PLR0917 - the options of a command
    file: File = None,
    live: LiveOption = False,
    ledger: LedgerUrl = None,
    since: Since = "7d",
    field: FieldOption = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Say whether to migrate, to measure first, or to do nothing."""
    found = Live(live, ledger, Access(kubeconfig, context), namespace)
    with reported(output):
        shown(
            _payback(case(PaybackCase, file, found, Chosen(since, field), payback_fields)),
            views_moves.print_payback,
            output,
        )


@economics.command(epilog=_live_examples("finetune", "adapter.yaml "))
def finetune(  # noqa: PLR0913, PLR0917 - the options of a command
    file: File = None,
    live: LiveOption = False,
    ledger: LedgerUrl = None,
    since: Since = "7d",
    field: FieldOption = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Say when a fine-tune has earned its cost back, and whether one is ready for it."""
    found = Live(live, ledger, Access(kubeconfig, context), namespace)
    with reported(output):
        shown(
            fine_tune(case(FineTuneCase, file, found, Chosen(since, field), fine_tune_fields)),
            views_moves.print_fine_tune,
            output,
        )


@economics.command("self-managed", epilog=_examples("self-managed"))
def self_managed(file: File = None, output: OutputOption = Output.TEXT) -> None:
    """Say whether own GPUs carry their team, and when to give them back."""
    _run(SelfManagedCase, _self_managed, views_moves.print_self_managed, file, output)


@economics.command(epilog=_examples("fanout"))
def fanout(file: File = None, output: OutputOption = Output.TEXT) -> None:
    """Say how many Specialists may be asked at once before one large model is cheaper."""
    _run(FanOutCase, fan_out, views_moves.print_fan_out, file, output)


@economics.command(epilog=_examples("consensus"))
def consensus(file: File = None, output: OutputOption = Output.TEXT) -> None:
    """Say what tolerating f wrong answers takes: nodes, latency, money."""
    _run(ConsensusCase, _consensus, views_moves.print_consensus, file, output)


@economics.command("latency-tiers", epilog=_live_examples("latency-tiers"))
def latency_tiers(  # noqa: PLR0913, PLR0917 - the options of a command
    file: File = None,
    live: LiveOption = False,
    ledger: LedgerUrl = None,
    since: Since = "7d",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Say which traffic could wait (async, batch, background), and what that saves."""
    found = Live(live, ledger, Access(kubeconfig, context), namespace)
    with reported(output):
        shown(
            _latency_tiers(case(LatencyCase, file, found, Chosen(since), latency_fields)),
            views_routes.print_latency_tiers,
            output,
        )
