"""``describe``: what a Job runs to tell of a model in a claim that it has mounted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierwise_core.errors import TierwiseError
from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.claim_document import packed
from tierwise_operator.sources.directory import read_directory

__all__ = ["describe"]


def describe(
    directory: Annotated[Path, typer.Argument(help="A directory with config.json.")],
    termination_log: Annotated[
        Path | None, typer.Option(help="Where to write it; by default standard output.")
    ] = None,
) -> None:
    """Tell of a model's config and the size of its weights in one short text.

    The operator runs it in a Job to read pvc:// models; the weights themselves are not read.

    Example: python -m tierwise_operator.weights describe /mnt/models/llama
    """
    try:
        told, code = packed(read_directory(str(directory), MetadataCache())), 0
    except TierwiseError as error:
        told, code = f"{error.reason}: {error}", 1
        typer.echo(f"error: {told}", err=True)
    if termination_log is None:
        typer.echo(told)
    else:
        termination_log.write_text(told)
    raise typer.Exit(code)
