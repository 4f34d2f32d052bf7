"""`tierwise version` and `tierwise crds`: what this program is, and what it defines."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version as installed_version
from typing import Any

from tierwise_api import API_VERSION, KINDS
from tierwise_api.crd import custom_resource_definition, to_yaml
from tierwise_cli.options import (
    ManifestForm,
    ManifestFormOption,
    Output,
    OutputOption,
    examples,
)
from tierwise_cli.printing import print_json

__all__ = ["CRDS_EXAMPLES", "EXAMPLES", "crds", "version"]

EXAMPLES = examples("tierwise version", "tierwise version --output json")
CRDS_EXAMPLES = examples(
    "tierwise crds | kubectl apply --server-side --force-conflicts -f -",
    "tierwise crds --output json | jq -r '.items[].metadata.name'",
)


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


def crds(output: ManifestFormOption = ManifestForm.YAML) -> None:
    """Print the CustomResourceDefinitions of this version, for kubectl apply."""
    definitions = [custom_resource_definition(kind) for kind in KINDS]
    if output is ManifestForm.JSON:
        print_json({"apiVersion": "v1", "kind": "List", "items": definitions})
    else:
        sys.stdout.write("---\n".join(map(to_yaml, definitions)))
