"""Printing for people (rich) and for programs (JSON), errors included."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierwise_cli.errors import CliError, RefusedError
from tierwise_cli.options import Output

__all__ = ["PAGE_COLUMNS", "bullets", "console", "page", "plain_table", "print_json", "reported"]

PAGE_COLUMNS = 100


def console(*, stderr: bool = False) -> Console:
    """A console that colours only for a terminal, and never wraps a line of its own accord."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def page(*, stderr: bool = False) -> Console:
    """A console for tables: at most 100 columns wide, and exactly that where no terminal is."""
    found = Console(stderr=stderr, highlight=False)
    width = min(found.width, PAGE_COLUMNS) if found.is_terminal else PAGE_COLUMNS
    return Console(stderr=stderr, highlight=False, width=width)


def plain_table(*headers: str) -> Table:
    """A table without lines; a header that ends in ``>`` aligns its column to the right.

    The last column wraps, the others keep to one line.
    """
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number, header in enumerate(headers):
        table.add_column(
            header.removesuffix(">"),
            justify="right" if header.endswith(">") else "left",
            no_wrap=number < len(headers) - 1,
        )
    return table


def bullets(out: Console, lines: Iterable[str], mark: str = "-") -> None:
    """One line each, wrapped below its own beginning."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for line in lines:
        table.add_row(mark, Text(line))
    out.print(table)


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
