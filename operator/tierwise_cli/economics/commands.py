"""The commands of `tierwise economics`, each a case, a calculation and a view."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

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
    Source,
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
from tierwise_core.economics.consensus import ConsensusCase, consensus
from tierwise_core.economics.fanout import FanOutCase, fan_out
from tierwise_core.economics.finetune import FineTuneCase, fine_tune
from tierwise_core.economics.funnel import FunnelCase, funnel
from tierwise_core.economics.gate import GateCase, gate
from tierwise_core.economics.latency_tiers import LatencyCase, latency_tiers
from tierwise_core.economics.payback import PaybackCase, payback
from tierwise_core.economics.routefit import RouteFitCase, route_fit
from tierwise_core.economics.self_managed import SelfManagedCase, self_managed

__all__ = ["economics"]

Case = TypeVar("Case")
Report = TypeVar("Report")
CHOOSING = frozenset({"field", "by"})

economics = typer.Typer(
    no_args_is_help=True,
    help="What to buy, run, move or tune: each takes a YAML file of figures, and prints a table "
    "or JSON.",
    epilog=examples(
        "tierwise economics gate examples/economics/gate.yaml",
        "tierwise economics routefit examples/economics/routefit.yaml --output json",
    ),
)


@dataclass(frozen=True, slots=True)
class Calculation(Generic[Case, Report]):
    """What one command does: the case it reads, the calculation, and how a person sees it.

    ``source`` gives the ledger's figures for what a file leaves out; None where it has none.
    ``takes`` are those of the options ``field`` and ``by`` that choose among them.
    """

    name: str
    does: str
    kind: type[Case]
    compute: Callable[[Case], Report]
    view: Callable[[Console, Report], None]
    source: Source | None = None
    more: str = ""
    takes: tuple[str, ...] = ("field",)

    @property
    def examples(self) -> str:
        """Two calls for the end of its help."""
        file = f"tierwise economics {self.name} examples/economics/{self.name}.yaml"
        if self.source is None:
            return examples(file, f"{file} --output json")
        return examples(file, f"tierwise economics {self.name} {self.more}--live --since 7d")

    def on_file(self, file: Path | None, output: Output) -> None:
        """Calculate with a file's figures."""
        with reported(output):
            shown(self.compute(case_of(self.kind, file)), self.view, output)

    def on_ledger(self, file: Path | None, live: Live, chosen: Chosen, output: Output) -> None:
        """Calculate with a file's figures and, where it is asked, the ledger's."""
        if self.source is None:
            raise TypeError(f"{self.name} has no figures of the ledger")
        with reported(output):
            found = case(self.kind, file, live, chosen, self.source)
            shown(self.compute(found), self.view, output)


def _on_file(calculation: Calculation[Case, Report]) -> None:
    """Make it a command that takes a file."""

    def command(file: File = None, output: OutputOption = Output.TEXT) -> None:
        calculation.on_file(file, output)

    _add(calculation, command)


def _on_ledger(calculation: Calculation[Case, Report]) -> None:
    """Make it a command that takes a file, the ledger's figures, or both."""

    def command(  # noqa: PLR0913, PLR0917 - the options of a command
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
        found = Live(live, ledger, Access(kubeconfig, context), namespace)
        calculation.on_ledger(file, found, Chosen(since, field, by), output)

    _add(calculation, _without(command, CHOOSING.difference(calculation.takes)))


def _without(command: Callable[..., None], options: frozenset[str]) -> Callable[..., None]:
    """Take options out of what a command shows; they keep their defaults."""
    shown_ones = inspect.signature(command, eval_str=True)
    left = [one for name, one in shown_ones.parameters.items() if name not in options]
    vars(command)["__signature__"] = shown_ones.replace(parameters=left)
    return command


def _add(calculation: Calculation[Case, Report], command: Callable[..., None]) -> None:
    economics.command(calculation.name, help=calculation.does, epilog=calculation.examples)(command)


_on_file(
    Calculation(
        "funnel",
        "Send candidates through constraints, capability, economics and routes, in this order.",
        FunnelCase, funnel, views_routes.print_funnel,
    )
)  # fmt: skip
_on_ledger(
    Calculation(
        "routefit",
        "Lay workloads over routes and mark the cheapest feasible one, measured or estimated.",
        RouteFitCase, route_fit, views_routes.print_route_fit, route_fit_fields,
        takes=("field", "by"),
    )
)  # fmt: skip
_on_ledger(
    Calculation(
        "gate",
        "Say from which utilization own replicas pay, and how to split each load by the hour.",
        GateCase, gate, views_routes.print_gate, gate_fields, "prices.yaml ",
    )
)  # fmt: skip
_on_ledger(
    Calculation(
        "payback",
        "Say whether to migrate, to measure first, or to do nothing.",
        PaybackCase, payback, views_moves.print_payback, payback_fields, "target.yaml ",
    )
)  # fmt: skip
_on_ledger(
    Calculation(
        "finetune",
        "Say when a fine-tune has earned its cost back, and whether one is ready for it.",
        FineTuneCase, fine_tune, views_moves.print_fine_tune, fine_tune_fields, "adapter.yaml ",
    )
)  # fmt: skip
_on_file(
    Calculation(
        "self-managed",
        "Say whether own GPUs carry their team, and when to give them back.",
        SelfManagedCase, self_managed, views_moves.print_self_managed,
    )
)  # fmt: skip
_on_file(
    Calculation(
        "fanout",
        "Say how many Specialists may be asked at once before one large model is cheaper.",
        FanOutCase, fan_out, views_moves.print_fan_out,
    )
)  # fmt: skip
_on_file(
    Calculation(
        "consensus",
        "Say what tolerating f wrong answers takes: nodes, latency, money.",
        ConsensusCase, consensus, views_moves.print_consensus,
    )
)  # fmt: skip
_on_ledger(
    Calculation(
        "latency-tiers",
        "Say which traffic could wait (async, batch, background), and what that saves.",
        # Of all fields: latency classes have none.
        LatencyCase, latency_tiers, views_routes.print_latency_tiers, latency_fields, takes=(),
    )
)  # fmt: skip
