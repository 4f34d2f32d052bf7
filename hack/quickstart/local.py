"""The quickstart's own cluster: nodes, images built from the Dockerfiles, the engine."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localcluster import cluster, engine, images, packages, preflight
from localcluster.errors import CommandError
from localcluster.instance import get
from localcluster.paths import REPOSITORY
from localcluster.tools import CLUSTER_PROGRAMS, binary, ensure
from quickstart.steps import local_values
from quickstart.target import Target

_MODELS = REPOSITORY / "examples" / "models"
_PROGRAMS = (*CLUSTER_PROGRAMS, "helm")


def prepare(name: str) -> tuple[Target, Path, Mapping[str, Any]]:
    """Bring the local cluster up with all images on its nodes.

    Returns the cluster, the chart's values for it, and the `spec.engine` its Specialists need.
    """
    preflight.check((*packages.NODE_PACKAGES, *packages.IMAGE_PACKAGES), _PROGRAMS)
    running = cluster.up(name)
    ensure(("helm",))
    engine.ensure()
    built = images.build()
    images.load(running, built)
    values = local_values({image: built[image].digest for image in built}, running.instance.state)
    return target_of(name), values, engine.specification()


def target_of(name: str) -> Target:
    """The running local cluster of a name."""
    instance = get(name)
    return Target(name, str(instance.kubeconfig), binary("kubectl"), is_local=True)


def forge(words: Sequence[str]) -> None:
    """Run the example models' forge with the engine's Python, which has torch."""
    python = engine.ensure() / "bin" / "python"
    command = [str(python), "-m", "forge", *words]
    done = subprocess.run(command, cwd=_MODELS, check=False)
    if done.returncode:
        raise CommandError(command, done.returncode, "see above")
