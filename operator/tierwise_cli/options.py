"""Options that several commands share, and the form of what they print."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Context",
    "Kubeconfig",
    "ManifestForm",
    "ManifestFormOption",
    "Namespace",
    "Output",
    "OutputOption",
    "examples",
]

_CLUSTER = "Which cluster"


class Output(StrEnum):
    """For a person, or for another program."""

    TEXT = "text"
    JSON = "json"


class ManifestForm(StrEnum):
    """How manifests are written."""

    YAML = "yaml"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="text for people, json for programs.")
]
ManifestFormOption = Annotated[ManifestForm, typer.Option("--output", "-o", help="yaml or json.")]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        help="The kubeconfig file; by default KUBECONFIG, then ~/.kube/config.",
        rich_help_panel=_CLUSTER,
        dir_okay=False,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        help="The kubeconfig's context; by default its current one.", rich_help_panel=_CLUSTER
    ),
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        help="The namespace of operator and router.",
        rich_help_panel=_CLUSTER,
    ),
]


def examples(*commands: str) -> str:
    """The examples at the end of a command's help: paragraphs, which help shows as lines.

    >>> examples("tierwise version", "tierwise crds").splitlines()[2:]
    ['  tierwise version', '', '  tierwise crds']
    """
    return "\n\n".join(["Examples:", *(f"  {command}" for command in commands)])
