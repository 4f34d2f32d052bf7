"""The `tierwise` command: its parts put together."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version as installed_version
from typing import Any

import typer

from tierwise_api import API_VERSION, KINDS
from tierwise_api.crd import custom_resource_definition, to_yaml
from tierwise_cli import (
    ask,
    calibrate,
    classify,
    cost,
    doctor,
    explain,
    export,
    graph,
    learned,
    plan,
    replay,
    serve,
    simulate,
    size,
    status,
    tiers,
)
from tierwise_cli.audit import audit
from tierwise_cli.batch import batching
from tierwise_cli.economics import economics
from tierwise_cli.ledger_command import EXAMPLES as LEDGER_EXAMPLES
from tierwise_cli.ledger_command import bookkeeping
from tierwise_cli.options import Output, OutputOption, examples
from tierwise_cli.printing import print_json
from tierwise_cli.rollouts import rolling
from tierwise_cli.tenant import tenancy
from tierwise_operator.weights.command import EXAMPLES as FETCH_EXAMPLES
from tierwise_operator.weights.command import fetch

__all__ = ["app", "main"]

app = typer.Typer(
    name="tierwise",
    help="Specialist models on a mixed GPU fleet: each on the cheapest tier it fits, behind one "
    "OpenAI endpoint.",
    epilog=examples("tierwise doctor", 'tierwise ask "sort dbca"', "tierwise serve routes.yaml"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_EXAMPLES_OF_VERSION = examples("tierwise version", "tierwise version --output json")
_EXAMPLES_OF_CRDS = examples("tierwise crds | kubectl apply --server-side --force-conflicts -f -")


@app.command(epilog=_EXAMPLES_OF_VERSION)
def version(output: OutputOption = Output.TEXT) -> None:
    """Print the version of tierwise, of its API and of Python."""
    facts: dict[str, Any] = {
        "version": installed_version("tierwise"),
        "api": API_VERSION,
        "python": platform.python_version(),
    }
    if output is Output.JSON:
        print_json(facts)
    else:
        sys.stdout.write(f"tierwise {facts['version']} ({API_VERSION}, Python {facts['python']})\n")


@app.command(epilog=_EXAMPLES_OF_CRDS)
def crds() -> None:
    """Print the CustomResourceDefinitions of this version, for kubectl apply."""
    sys.stdout.write("---\n".join(to_yaml(custom_resource_definition(kind)) for kind in KINDS))


app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(epilog=ask.EXAMPLES)(ask.ask)
app.command(epilog=explain.EXAMPLES)(explain.explain)
app.command(epilog=explain.FEEDBACK_EXAMPLES)(explain.feedback)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=status.EXAMPLES)(status.status)
app.command(epilog=replay.EXAMPLES)(replay.replay)
app.command(epilog=classify.EXAMPLES)(classify.classify)
app.command(epilog=FETCH_EXAMPLES)(fetch)
app.command(epilog=size.EXAMPLES)(size.size)
planning = typer.Typer(invoke_without_command=True, no_args_is_help=False)
planning.callback(epilog=plan.EXAMPLES)(plan.plan)
planning.command("graph", epilog=graph.EXAMPLES)(graph.graph)
app.add_typer(planning, name="plan")
tiering = typer.Typer(no_args_is_help=True, help="GPUTiers: find those that a cluster needs.")
tiering.command("discover", epilog=tiers.EXAMPLES)(tiers.discover_tiers)
app.add_typer(tiering, name="tiers")

app.add_typer(rolling, name="rollout")
app.add_typer(batching, name="batch")
app.command(epilog=cost.EXAMPLES)(cost.cost)
app.add_typer(tenancy, name="tenant")
app.add_typer(audit, name="audit")
app.command(epilog=calibrate.EXAMPLES)(calibrate.calibrate)
app.command(epilog=learned.CLAIMS_EXAMPLES)(learned.claims)
app.command(epilog=learned.DRIFT_EXAMPLES)(learned.drift)
app.command(epilog=export.EXAMPLES)(export.export)
app.add_typer(bookkeeping, name="ledger", epilog=LEDGER_EXAMPLES)
app.add_typer(economics, name="economics")
simulating = typer.Typer(help="Play something through on made-up traffic.", no_args_is_help=True)
simulating.command("rollout", epilog=simulate.ROLLOUT_EXAMPLES)(simulate.rollout)
app.add_typer(simulating, name="simulate")


def main() -> None:
    """Run the command with the process's arguments."""
    app()


if __name__ == "__main__":
    main()
