"""kubectl, with answers as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import tools
from .shell import run

FIELD_MANAGER = "tierwise-local-cluster"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl on one cluster."""

    kubeconfig: Path

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run a kubectl command and return what it wrote. Raises CommandError."""
        return run([tools.binary("kubectl"), "--kubeconfig", self.kubeconfig, *words], stdin=stdin)

    def get(self, *words: str) -> dict[str, Any]:
        """`kubectl get ... -o json`."""
        found: dict[str, Any] = json.loads(self.run("get", *words, "-o", "json"))
        return found

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """Apply objects server-side, ours winning over whoever changed them."""
        bundle = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        # The objects are ours and tested: fetching the whole schema to check them again takes
        # seconds on a fresh API server.
        flags = ("--server-side", "--force-conflicts", "--validate=false")
        manager = f"--field-manager={FIELD_MANAGER}"
        self.run("apply", *flags, manager, "-f", "-", stdin=bundle)
