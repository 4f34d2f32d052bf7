"""The cluster that gets tierwise: a local one of ours, or one that the user has."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.shell import run
from localcluster.tools import binary

NAMESPACE = "tierwise-system"


class StepError(LocalClusterError):
    """A step of the quickstart failed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster, and the programs that speak to it.

    Attributes:
        name: The local cluster's name, or the context's name of a user's cluster.
        kubeconfig: Value of KUBECONFIG; for a user's cluster it may be a list of paths.
        kubectl_path: The kubectl to use.
        is_local: Whether it is a local cluster of ours, with our example GPUs.
    """

    name: str
    kubeconfig: str
    kubectl_path: Path
    is_local: bool

    @property
    def environment(self) -> Mapping[str, str]:
        """What is added to the environment of programs that speak to this cluster."""
        return {"KUBECONFIG": self.kubeconfig}

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed."""
        return run([self.kubectl_path, *arguments], env=self.environment, stdin=stdin)

    def helm(self, *arguments: str | Path) -> str:
        """Run helm and return what it printed."""
        helm = binary("helm") if self.is_local else program("helm")
        return run([helm, *arguments], env=self.environment)

    def listed(self, kind: str, *arguments: str) -> Sequence[Mapping[str, object]]:
        """The objects of a kind."""
        items: Sequence[Mapping[str, object]] = json.loads(
            self.kubectl("get", kind, "-o", "json", *arguments)
        )["items"]
        return items

    def router_url(self) -> str:
        """Where the router answers: its Service's address, which this machine reaches."""
        address = self.kubectl(
            *("get", "service", "tierwise-router", "-n", NAMESPACE),
            *("-o", "jsonpath={.spec.clusterIP}"),
        )
        return f"http://{address}"


def program(name: str) -> Path:
    """A user's own program where there is one, else ours, built when it is missing."""
    own = shutil.which(name)
    return Path(own) if own else binary(name)


def existing() -> Target | None:
    """The cluster that KUBECONFIG points at, if it is set; checked before anything is changed."""
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        return None
    target = Target("yours", kubeconfig, program("kubectl"), is_local=False)
    try:
        target.kubectl("version", "--request-timeout=10s")
    except LocalClusterError as error:
        raise StepError(
            f"KUBECONFIG={kubeconfig} names a cluster that does not answer:\n{error}\n"
            "Fix: start that cluster, or `unset KUBECONFIG` to get a local one"
        ) from error
    return target
