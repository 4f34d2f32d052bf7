"""A case from a YAML file, and a report on its way out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import yaml
from rich.console import Console

from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.options import Output
from tierwise_cli.printing import page, print_json
from tierwise_cli.yaml_text import yaml_problem
from tierwise_core.economics.reading import read, told
from tierwise_core.errors import EconomicsError

__all__ = ["FigureError", "File", "case_of", "loaded", "read_case", "shown"]

Case = TypeVar("Case")
Report = TypeVar("Report")
File = Annotated[
    Path | None,
    typer.Argument(
        help="A YAML file with the figures, or - for standard input.",
        show_default=False,
        metavar="FILE",
    ),
]
WHERE = "docs/economics.md has every field; examples/economics/ has a file for each command"


class FigureError(CliError):
    """A file's figures cannot be computed with; the message has a line for each field."""

    exit_code = 2


def case_of(kind: type[Case], file: Path | None) -> Case:
    """Read a case from its file.

    Raises:
        UsageError: no file is given; FigureError: it is no YAML, or its fields are wrong.
    """
    if file is None:
        raise UsageError("no figures: FILE is missing", fix=WHERE)
    return read_case(kind, loaded(file), str(file))


def loaded(file: Path) -> Any:
    """Give what a YAML file holds."""
    try:
        return yaml.safe_load(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FigureError(f"{file}: cannot be read: {_why(error)}") from error
    except yaml.YAMLError as error:
        raise FigureError(f"{file}: {yaml_problem(error)}") from error


def read_case(kind: type[Case], value: Any, where: str) -> Case:
    """Read a case from fields as a file has them; raises FigureError with where each was."""
    try:
        return read(kind, value)
    except EconomicsError as error:
        lines = "\n".join(f"{where}: {line}" for line in str(error).splitlines())
        raise FigureError(lines, fix=WHERE) from error


def shown(report: Report, view: Callable[[Console, Report], None], output: Output) -> None:
    """Print a report: JSON has every field of it, in camelCase."""
    if output is Output.JSON:
        print_json(told(report))
    else:
        view(page(), report)


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
