"""`python -m quickstart`: what `make up` runs."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from quickstart import steps
from quickstart.shell import StepError
from quickstart.target import Target, existing, local

app = typer.Typer(
    help="Bring up tierwise with five small real models.",
    no_args_is_help=True,
    add_completion=False,
)
Name = Annotated[str, typer.Option(help="The local cluster's name; two live side by side.")]


@app.command(epilog="Example: python -m quickstart up --name mine")
def up(
    name: Name = "tierwise",
    values: Annotated[
        list[Path] | None, typer.Option(help="A values file for the chart; may be repeated.")
    ] = None,
) -> None:
    """Cluster, operator, router and models, ready to answer; safe to repeat.

    With KUBECONFIG set, that cluster gets the chart and no local cluster is started.
    """
    theirs = existing()
    if theirs:
        steps.install(theirs, values or [])
        steps.say_what_next(theirs)
        return
    target = local(name)
    steps.install(target, values or [])
    steps.run_models(target)
    steps.show(target)


@app.command(epilog="Example: python -m quickstart info --name mine --output json")
def info(
    name: Name = "tierwise",
    output: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Where the running quickstart's cluster and router are."""
    target = existing() or Target.of_local(name)
    facts = {
        "name": name,
        "kubeconfig": str(target.kubeconfig),
        "kubectl_path": str(target.kubectl_path),
        "url": target.router_url(),
    }
    text = "\n".join(f"{key}: {value}" for key, value in facts.items())
    print(json.dumps(facts) if output == "json" else text)


if __name__ == "__main__":
    try:
        app(prog_name="quickstart")
    except StepError as error:
        print(f"tierwise: {error}", file=sys.stderr)
        sys.exit(1)
