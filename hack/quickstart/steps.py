"""The steps of `make up`, each safe to repeat."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from localcluster.console import say, step
from localcluster.paths import REPOSITORY
from localcluster.shell import run
from quickstart.manifests import Manifest, names, rendered
from quickstart.progress import wait_until_ready
from quickstart.target import NAMESPACE, Target

CHART = REPOSITORY / "charts" / "tierwise"
MODELS = REPOSITORY / "examples" / "models"
_MODELS_SECONDS = 900.0
_ROLLOUT_SECONDS = 300
_QUESTIONS = ("sort dbca", "uppercase hello")


def install(target: Target, values: Sequence[Path]) -> None:
    """Custom resource definitions, operator, router, ledger and roles, by the chart."""
    with step("custom resource definitions"):
        target.kubectl(
            *("apply", "--server-side", "--force-conflicts", "-f", str(CHART / "crds")),
        )
        target.kubectl("wait", "--for=condition=Established", "-f", str(CHART / "crds"))
    with step("chart tierwise: operator, router, ledger, roles"):
        target.helm(
            *("upgrade", "--install", "tierwise", CHART, "--skip-crds"),
            *("--namespace", NAMESPACE, "--create-namespace"),
            *(word for file in values for word in ("--values", file)),
        )


def wait_for_pods(target: Target) -> None:
    """Wait until every pod of the operator, the ledger and the router is ready."""
    for deployment in ("tierwise-operator", "tierwise-ledger", "tierwise-router"):
        with step(f"{deployment} ready"):
            target.kubectl(
                *("rollout", "status", f"deployment/{deployment}", "-n", NAMESPACE),
                f"--timeout={_ROLLOUT_SECONDS}s",
            )


def apply_models(target: Target, engine: Mapping[str, Any]) -> Sequence[Manifest]:
    """Apply the quickstart's tiers and Specialists, fitted to the local engine."""
    manifests = rendered(MODELS, engine)
    with step(f"apply {len(manifests)} resources of examples/quickstart"):
        target.kubectl(
            *("apply", "--server-side", "--field-manager=quickstart", "-f", "-"),
            stdin=yaml.safe_dump_all(manifests),
        )
    return manifests


def wait_for_models(target: Target, manifests: Sequence[Manifest]) -> None:
    """Wait until each Specialist answers."""
    wait_until_ready(target, names(manifests), _MODELS_SECONDS)


def local_values(image_ids: Mapping[str, str], folder: Path) -> Path:
    """The chart's values for a local cluster: images built here, and little memory.

    The image's own digest goes into a pod annotation, so that a rebuilt image rolls the pods.
    """
    shared = {"tag": "dev", "pullPolicy": "Never"}

    def image(name: str) -> dict[str, Any]:
        return {
            "image": {"repository": f"localhost/tierwise-{name}", **shared},
            "podAnnotations": {"tierwise.dev/image-id": image_ids[name]},
        }

    # The pods run as another user, and both nodes are this machine.
    files, ledger = folder / "files", folder / "ledger"
    for kept in (files, ledger):
        kept.mkdir(exist_ok=True)
        kept.chmod(0o777)
    values = {
        "operator": {**image("operator"), "modelRoots": [str(MODELS)]},
        "router": {
            **image("router"),
            "dispatchers": 1,
            "drainSeconds": 45,
            "terminationGracePeriodSeconds": 60,
            "files": {"volume": {"hostPath": {"path": str(files), "type": "Directory"}}},
        },
        "ledger": {
            "podAnnotations": {"tierwise.dev/image-id": image_ids["router"]},
            "storage": {"volume": {"hostPath": {"path": str(ledger), "type": "Directory"}}},
        },
        "weights": {
            "image": {"pullPolicy": "Never"},
            "cache": {"kind": "Node", "path": str(folder / "weights"), "maxBytes": "2Gi"},
            "secrets": ["*"],
        },
    }
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def show(target: Target) -> None:
    """What is there now, and the first things to type."""
    url = target.router_url()
    say("\n" + target.kubectl("get", "specialists,gputiers").rstrip())
    for question in _QUESTIONS:
        say(f"\n$ tierwise ask {json.dumps(question)}")
        say(ask(target, url, question))
    body = {"model": "auto", "messages": [{"role": "user", "content": "add 17 and 25"}]}
    say(
        "\nYours to try:\n"
        f"  export KUBECONFIG={target.kubeconfig} TIERWISE_URL={url}\n"
        f"  export PATH={REPOSITORY}/.venv/bin:{target.kubectl_path.parent}:$PATH\n"
        f"  curl -si {url}/v1/chat/completions -H 'content-type: application/json' \\\n"
        f"    -d '{json.dumps(body)}'\n"
        '  tierwise ask "reverse abcdef"\n'
        "  tierwise doctor\n"
        f"  make down{_name_argument(target)}"
    )


def _name_argument(target: Target) -> str:
    return "" if target.name == "tierwise" else f" NAME={target.name}"


def ask(target: Target, url: str, question: str) -> str:
    """Ask as a person would, with the `tierwise` command beside this Python."""
    tierwise = REPOSITORY / ".venv" / "bin" / "tierwise"
    command = (tierwise, "ask", question, "--url", url)
    return run(command, env={**os.environ, **target.environment}).rstrip()


def say_what_next() -> None:
    """After installing into a cluster that the user has."""
    say(
        f"\ntierwise runs in namespace {NAMESPACE} of the cluster that KUBECONFIG names.\n"
        "  tierwise doctor                                  what is there, what is missing\n"
        "  kubectl apply -f examples/quickstart/tiers.yaml  after naming your own GPUs in it\n"
        "  kubectl get sp,gt                                models and tiers\n"
        "To remove it again: docs/install.md"
    )
