"""What the commands of `tierwise rollout` take."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Home", "RolloutName", "SpecialistName", "Watch"]

RolloutName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A Rollout, or a Specialist: then its Rollout under way, else its newest. "
        "NAMESPACE/NAME names one elsewhere.",
    ),
]
SpecialistName = Annotated[
    str, typer.Argument(metavar="SPECIALIST", help="The Specialist, as NAME or NAMESPACE/NAME.")
]
Home = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="NAMESPACE", help="The namespace; by default default."
    ),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Then watch it to its end.")]
