"""`python -m quickstart`: what `make up` runs."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from localcluster.errors import LocalClusterError
from quickstart import local, steps
from quickstart.target import existing

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
        list[Path] | None,
        typer.Option(
            help="A values file for the chart; may be repeated.", exists=True, dir_okay=False
        ),
    ] = None,
) -> None:
    """Cluster, operator, router and models, ready to answer; safe to repeat.

    With KUBECONFIG set, that cluster gets the chart and no local cluster is started.
    """
    theirs = existing()
    if theirs:
        steps.install(theirs, values or [])
        steps.wait_for_pods(theirs)
        steps.say_what_next()
        return
    target, own_values, engine = local.prepare(name)
    steps.install(target, [own_values, *(values or [])])
    models = steps.apply_models(target, engine)
    steps.wait_for_pods(target)
    steps.wait_for_models(target, models)
    steps.show(target)


@app.command(epilog="Example: python -m quickstart info --name mine --output json")
def info(
    name: Name = "tierwise",
    output: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Where the running quickstart's cluster and router are."""
    target = existing() or local.target_of(name)
    facts = {
        "name": name,
        "kubeconfig": str(target.kubeconfig),
        "kubectl_path": str(target.kubectl_path),
        "url": target.router_url(),
    }
    text = "\n".join(f"{key}: {value}" for key, value in facts.items())
    print(json.dumps(facts) if output == "json" else text)


@app.command(epilog="Example: python -m quickstart models")
def models() -> None:
    """Train the example models again, then measure them and write their cards; minutes each."""
    for words in (["train"], ["questions"], ["evaluate"]):
        every = ["--model", "all"] if words != ["questions"] else []
        local.forge([*words, *every])


if __name__ == "__main__":
    try:
        app(prog_name="quickstart")
    except LocalClusterError as error:
        print(f"tierwise: {error}", file=sys.stderr)
        sys.exit(1)
