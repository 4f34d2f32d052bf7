"""Printing for people (rich) and for programs (JSON), errors included."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console

from tierwise_cli.errors import CliError, RefusedError
from tierwise_cli.options import Output

__all__ = ["console", "print_json", "reported"]


def console(*, stderr: bool = False) -> Console:
    """A console that colours only for a terminal, and never wraps a line of its own accord."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def reported(output: Output) -> Iterator[None]:
    """Turn a CliError into its message and exit code: JSON on stdout, or words on stderr."""
    try:
        yield
    except CliError as error:
        if output is Output.JSON:
            print_json({"error": _as_json(error)})
        else:
            console(stderr=True).print(f"tierwise: {error.for_people()}", markup=False)
        raise typer.Exit(error.exit_code) from error


def _as_json(error: CliError) -> dict[str, Any]:
    kind = error.kind if isinstance(error, RefusedError) else type(error).__name__
    return {"kind": kind, "message": str(error), "fix": error.fix}
