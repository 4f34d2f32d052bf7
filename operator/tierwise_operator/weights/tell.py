"""``tell``: what a Job runs to hand over a small file of a claim that it has mounted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierwise_core.errors import TierwiseError
from tierwise_operator.sources.file_in_log import sealed
from tierwise_operator.sources.single_file import on_this_machine

__all__ = ["tell"]


def tell(
    file: Annotated[Path, typer.Argument(help="A file of some megabytes at most.")],
    termination_log: Annotated[
        Path | None, typer.Option(help="Where its hash goes, or why it cannot be read.")
    ] = None,
) -> None:
    """Write a file to standard output, compressed, and its hash as the pod's last words.

    The operator runs it in a Job to read held-out sets of pvc:// sources.

    Example: python -m tierwise_operator.weights tell /mnt/sets/questions.jsonl
    """
    try:
        lines, told = sealed(on_this_machine(file))
        code = 0
        typer.echo(lines)
    except TierwiseError as error:
        told, code = f"{error.reason}: {error}", 1
        typer.echo(f"error: {told}", err=True)
    if termination_log is not None:
        termination_log.write_text(told)
    raise typer.Exit(code)
