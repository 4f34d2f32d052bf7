"""The command line: `python -m localcluster COMMAND`."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml

from . import (
    cluster,
    engine,
    fake_nodes,
    images,
    instance,
    nodes,
    packages,
    preflight,
    standalone,
    status,
    teardown,
    tools,
)
from .console import say, step
from .errors import UnknownInstanceError
from .instance import Instance, Mode

app = typer.Typer(
    help="A real Kubernetes cluster on this machine, without Docker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[
    str | None,
    typer.Option(help="Which instance; else $TIERWISE_CLUSTER, else `tierwise`."),
]
GpuName = StrEnum("GpuName", {name: name for name in nodes.GPUS})  # type: ignore[misc]
DEFAULT_FAKE_GPU = GpuName("a100")


class Output(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


Format = Annotated[Output, typer.Option("--output", "-o", help="How to write the result.")]


@app.command("preflight", epilog="Example: python -m localcluster preflight")
def preflight_command() -> None:
    """Say whether this machine can hold a cluster; change nothing."""
    preflight.check((*packages.NODE_PACKAGES, *packages.IMAGE_PACKAGES), tools.PROGRAMS)
    missing = packages.missing((*packages.NODE_PACKAGES, *packages.IMAGE_PACKAGES))
    say("this machine can hold a cluster")
    if missing:
        say(f"  to be installed by apt-get: {', '.join(missing)}")
    if tools.missing():
        say(f"  to be built from hack/tools: {', '.join(tools.missing())}")


@app.command("tools", epilog="Example: python -m localcluster tools")
def tools_command() -> None:
    """Build the cluster's programs, once per version, and print where they are."""
    tools.ensure()
    for program in tools.PROGRAMS:
        print(tools.module_of(program).binary(program))


@app.command(epilog="Example: python -m localcluster up --name ci-7 --kwok 20")
def up(
    *,
    name: Name = None,
    kwok: Annotated[int, typer.Option(min=0, help="Fake nodes with GPUs to add.")] = 0,
    control_plane_only: Annotated[
        bool, typer.Option("--control-plane-only", help="Only etcd and the API server.")
    ] = False,
) -> None:
    """Bring a cluster up, or repair one; run again, it changes nothing."""
    chosen = instance.chosen_name(name)
    if control_plane_only:
        made = standalone.start(instance.allocate(chosen, Mode.CONTROL_PLANE)).instance
    else:
        made = cluster.up(chosen).instance
    if kwok:
        _scale(made, "a100", kwok, 8)
    say(f"\nready: export KUBECONFIG={made.kubeconfig}")


@app.command(epilog="Examples: python -m localcluster down --name ci-7; ... down --all")
def down(
    *,
    name: Name = None,
    every: Annotated[bool, typer.Option("--all", help="Every instance on this machine.")] = False,
) -> None:
    """Remove an instance with everything it left on this machine, and check that nothing is."""
    chosen = [found.name for found in instance.instances()] if every else []
    if not every:
        chosen = [instance.chosen_name(name)]
    for one in chosen:
        teardown.remove_named(one)
    if not chosen:
        say("there is no local cluster on this machine")


@app.command("status", epilog="Example: python -m localcluster status --name ci-7 --output json")
def status_command(*, name: Name = None, output: Format = Output.TEXT) -> None:
    """What runs of an instance, its memory, addresses and kubeconfig; status 1 if not all does."""
    found = instance.get(instance.chosen_name(name))
    report = status.report(found)
    _print(report, output, status.lines(found))
    if not report["running"]:
        raise typer.Exit(1)


@app.command("list", epilog="Example: python -m localcluster list")
def list_command() -> None:
    """Every instance on this machine."""
    for found in instance.instances():
        print("\n".join(status.lines(found)))


@app.command(epilog="Example: export KUBECONFIG=$(python -m localcluster kubeconfig --name ci-7)")
def kubeconfig(*, name: Name = None) -> None:
    """Print the path of an instance's kubeconfig."""
    print(instance.get(instance.chosen_name(name)).kubeconfig)


@app.command("kwok", epilog="Example: python -m localcluster kwok --nodes 50 --gpu h100 --gpus 8")
def kwok_command(
    *,
    name: Name = None,
    number: Annotated[int, typer.Option("--nodes", min=0, help="How many; 0 removes them.")],
    gpu: Annotated[GpuName, typer.Option(help="Which GPU they have.")] = DEFAULT_FAKE_GPU,
    gpus: Annotated[int, typer.Option(min=1, help="How many GPUs each has.")] = 8,
) -> None:
    """Have that many fake nodes with a kind of GPU, tainted kwok.x-k8s.io/node=fake."""
    _scale(instance.get(instance.chosen_name(name)), gpu.value, number, gpus)


@app.command("gpus", epilog="Example: python -m localcluster gpus --node gpu-4090-0 --lost 3")
def gpus_command(
    *,
    name: Name = None,
    node: Annotated[str, typer.Option(help="Which node.")],
    lost: Annotated[list[int] | None, typer.Option(help="GPUs that are broken, from 0.")] = None,
) -> None:
    """Break GPUs of a node; without --lost, repair them all. The kubelet sees it in a second."""
    found = instance.get(instance.chosen_name(name))
    if not nodes.inventory(found, node).exists():
        known = ", ".join(spec.name for spec in nodes.DEFAULT_NODES)
        raise UnknownInstanceError(f"{found.name} has no node {node!r}; there is: {known}")
    count, _ = nodes.read_gpus(found, node)
    nodes.write_gpus(found, node, count, lost or ())
    say(f"{node}: {count - len(lost or ())} of {count} GPUs are healthy")


@app.command("engine", epilog="Example: python -m localcluster engine --output yaml > engine.yaml")
def engine_command(
    *,
    pod_template: Annotated[
        bool, typer.Option("--pod-template", help="Print the pod template patch only.")
    ] = False,
    lock: Annotated[
        bool, typer.Option("--lock", help="Resolve hack/engine/requirements.txt again first.")
    ] = False,
    output: Format = Output.TEXT,
) -> None:
    """Make vLLM's environment; with --output, print what Specialist.spec.engine must be."""
    if lock:
        engine.lock()
    folder = engine.ensure()
    if pod_template:
        _print(engine.pod_template(), Output.JSON if output is Output.JSON else Output.YAML, ())
    else:
        text = [f"{key}: {value}" for key, value in engine.described(folder).items()]
        _print(engine.specification(), output, text)


images_app = typer.Typer(help="The operator's and the router's images.", no_args_is_help=True)
app.add_typer(images_app, name="images")


@images_app.command("build", epilog="Example: python -m localcluster images build")
def images_build() -> None:
    """Build the images from their Dockerfiles and print their references and ids."""
    for image in images.build().values():
        print(f"{image.reference} {image.digest}")


@images_app.command("load", epilog="Example: python -m localcluster images load --name ci-7")
def images_load(*, name: Name = None) -> None:
    """Build the images and import them into every node that lacks them."""
    found = instance.get(instance.chosen_name(name))
    images.load(cluster.Cluster(found), images.build())


def _scale(found: Instance, gpu: str, number: int, gpus: int) -> None:
    with step(f"{number} fake nodes with {gpus} x {nodes.GPUS[gpu].product}"):
        fake_nodes.scale(cluster.plane_of(found), gpu, nodes.GPUS[gpu], number, gpus)


def _print(document: Any, output: Output, text: Iterable[str]) -> None:
    if output is Output.JSON:
        print(json.dumps(document, indent=2))
    elif output is Output.YAML:
        print(yaml.safe_dump(document, sort_keys=False), end="")
    else:
        print("\n".join(text))
