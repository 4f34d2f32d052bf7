"""What a person sees while something slow happens: what it is and how long it has taken."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Detail = Callable[[str], None]

_console = Console(stderr=True, highlight=False)
_open_steps: list[str] = []
_INSTANT_SECONDS = 0.95


def say(text: str) -> None:
    """Print one line of progress to standard error; standard output stays for results."""
    _console.print(text, markup=False, soft_wrap=True)


def spell_seconds(seconds: float) -> str:
    """How long, in the unit a person would say.

    >>> spell_seconds(0.2), spell_seconds(12.4), spell_seconds(276)
    ('0.2 s', '12 s', '4 min 36 s')
    """
    if seconds < _INSTANT_SECONDS:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def step(what: str) -> Iterator[Detail]:
    """Show that `what` is under way, then that it is done and how long it took.

    Yields a function that takes a detail of the moment ("kubelet, 812 packages"). A
    terminal gets a spinner and a clock; anything else gets one line per step. Steps inside
    a step only change the outer one's detail.
    """
    if _open_steps:
        yield _ignore
        return
    _open_steps.append(what)
    began = time.monotonic()
    try:
        if _console.is_terminal:
            with _spinner(what) as detail:
                yield detail
        else:
            sys.stderr.write(f"-> {what} ... ")
            sys.stderr.flush()
            yield _ignore
    except BaseException:
        _close(what, f"failed after {spell_seconds(time.monotonic() - began)}")
        raise
    _close(what, f"done in {spell_seconds(time.monotonic() - began)}")


def _close(what: str, outcome: str) -> None:
    _open_steps.remove(what)
    say(f"-> {what} ... {outcome}" if _console.is_terminal else outcome)


def _ignore(_detail: str) -> None:
    """Details are for terminals: a log needs the result only."""


@contextmanager
def _spinner(what: str) -> Iterator[Detail]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        task = progress.add_task(what)

        def detail(text: str) -> None:
            progress.update(task, description=f"{what}: {text}")

        yield detail
