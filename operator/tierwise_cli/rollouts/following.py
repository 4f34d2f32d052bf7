"""Watching a Rollout: on a terminal, in a log, or as a recording that can be played again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live

from tierwise_cli.errors import ManifestError
from tierwise_cli.options import Output
from tierwise_cli.printing import page
from tierwise_cli.rollouts.looks import Look
from tierwise_cli.rollouts.view import scene
from tierwise_cli.rollouts.words import FAILED, clock
from tierwise_core.rollout.stages import Stage

__all__ = ["bare", "exit_code", "follow", "recorded"]

_PER_SECOND = 2
_BEFORE_CANARY = frozenset(
    stage.value for stage in (Stage.PENDING, Stage.TRAINING, Stage.BENCHMARK, Stage.SHADOW)
)


def follow(looks: Iterable[Look], output: Output) -> Look | None:
    """Show a Rollout as it changes, until it has ended; gives how it was in the end."""
    if output is Output.JSON:
        return _as_lines(looks)
    out = page()
    return _live(looks, out) if out.is_terminal else _log(looks)


def exit_code(look: Look | None) -> int:
    """0 unless the candidate went back."""
    return 1 if look is not None and look.stage in FAILED else 0


def _as_lines(looks: Iterable[Look]) -> Look | None:
    last = None
    for last in looks:
        sys.stdout.write(json.dumps(bare(last.body), ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return last


def bare(body: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what servers keep for themselves."""
    kept = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": kept}


def _live(looks: Iterable[Look], out: Console) -> Look | None:
    screen = _Screen(out.width)
    with Live(get_renderable=screen.drawn, console=out, refresh_per_second=_PER_SECOND):
        for look in looks:
            screen.look = look
    return screen.look


class _Screen:
    """The last look, drawn with the time that it is when it is drawn."""

    def __init__(self, columns: int) -> None:
        self.look: Look | None = None
        self._columns = columns

    def drawn(self) -> RenderableType:
        """What the terminal shows now."""
        return "" if self.look is None else scene(self.look, datetime.now(UTC), self._columns)


def _log(looks: Iterable[Look]) -> Look | None:
    """One line for each change of stage or share, and for what is waited for before the canary."""
    said: tuple[str, ...] = ()
    last = None
    for last in looks:
        waits = last.status.waits_for if last.stage in _BEFORE_CANARY else ""
        if (change := (last.stage, str(last.green_percent), waits)) == said:
            continue
        said = change
        share = f"green {last.green_percent:>3} %"
        line = f"{clock(_moment(last))}  {last.stage:12} {share}  {last.news}"
        sys.stdout.write(line.rstrip() + "\n")
        sys.stdout.flush()
    return last


def _moment(look: Look) -> datetime | None:
    points = look.status.trajectory
    return points[-1].time if points else look.created


def recorded(path: Path) -> Iterator[Look]:
    """The looks of a recording: a Rollout a line, as `watch --output json` prints it.

    Raises:
        ManifestError: the file cannot be read, or a line is no Rollout.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read: {error.strerror}",
            fix="record one: tierwise rollout watch NAME --output json > FILE",
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield Look.at(_rollout(line, f"{path}:{number}"))


def _rollout(line: str, where: str) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise ManifestError(f"{where} is no JSON: {error}") from error
    if not isinstance(body, dict) or body.get("kind") != "Rollout":
        raise ManifestError(f"{where} is no Rollout: a line must be an object of kind Rollout")
    return body
