"""How far a command is that computes for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tierwise_cli.options import Output
from tierwise_cli.printing import page

__all__ = ["progress"]


@contextmanager
def progress(output: Output, steps: int) -> Iterator[Callable[[str], None]]:
    """Show on standard error which step is under way, where somebody looks at it."""
    err = page(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    shown = err.is_terminal and output is Output.TEXT
    with Progress(*columns, console=err, transient=True, disable=not shown) as bar:
        task = bar.add_task("starting", total=steps)

        def step(said: str) -> None:
            bar.update(task, description=said, advance=1)

        yield step
