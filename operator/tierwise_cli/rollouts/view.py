"""A Rollout on a terminal: shares, utilities with their intervals, evidence, what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tierwise_api.rollout_status import RolloutWindow
from tierwise_cli.rollouts.looks import Look
from tierwise_cli.rollouts.words import FAILED, clock, length

__all__ = ["bar", "interval", "scene", "sparkline"]

BAR_COLUMNS: Final = 24
AXIS_COLUMNS: Final = 22
FIGURE_COLUMNS: Final = 50
"""What the figures of a side take beside its bar and its axis."""
SHOWN_STEPS: Final = 5
STEP_COLUMNS: Final = (8, 12, 5)
LEAST_AXIS: Final = 0.02
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_LEVELS: Final = "▁▂▃▄▅▆▇█"
STYLES: Final = {"blue": "bright_blue", "green": "green"}


def scene(look: Look, now: datetime | None = None, columns: int = 100) -> RenderableType:
    """Everything there is to see of a Rollout; with ``now``, for how long it has been so too."""
    parts: list[RenderableType] = [_head(look, now), Text(), _sides(look, columns)]
    for part in (_bets(look), _path(look), _facts(look), _steps(look)):
        if part is not None:
            parts += [Text(), part]
    return Group(*parts)


def _head(look: Look, now: datetime | None) -> Table:
    style = "bold red" if look.stage in FAILED else "bold green" if look.serves else "bold"
    since = look.since
    told = Text(look.stage, style=style)
    if now is not None and since is not None and not look.ended:
        told.append(f" for {length((now - since).total_seconds())}", style="none")
    blue, green = look.models
    trigger = look.status.trigger.reason if look.status.trigger else "Applied"
    began = f"began {clock(look.created)} ({trigger})" if look.created else trigger
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row(Text.assemble((look.key, "bold"), f" of {look.specialist}"), told)
    table.add_row(Text.assemble(blue, (" → ", "dim"), green), Text(began, style="dim"))
    return table


def _sides(look: Look, columns: int) -> Table:
    bars = max(6, min(BAR_COLUMNS, (columns - FIGURE_COLUMNS) // 2))
    axes = max(10, min(AXIS_COLUMNS, columns - FIGURE_COLUMNS - bars))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("", "SHARE", "", "ANSWERS", "U", "95 % INTERVAL"):
        right = title in {"ANSWERS", "U"}
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    axis = _axis([window for _, window in look.sides])
    for name, window in look.sides:
        percent = look.green_percent if name == "green" else 100 - look.green_percent
        table.add_row(
            Text(name, style=STYLES[name]),
            Text(bar(percent / 100, bars), style=STYLES[name]),
            f"{percent:>3} %",
            f"{window.interactions:,}",
            "-" if window.utility is None else f"{window.utility:.3f}",
            _interval(window, axis, axes, STYLES[name]),
        )
    return table


def bar(share: float, columns: int) -> str:
    """A bar of a share, in eighths of a column.

    >>> bar(0.5, 4), bar(0.03, 4), bar(0, 4), bar(2, 2)
    ('██  ', '▏   ', '    ', '██')
    """
    eighths = round(max(0.0, min(1.0, share)) * columns * 8)
    if share > 0:
        eighths = max(1, eighths)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(columns)


def _axis(windows: Sequence[RolloutWindow]) -> tuple[float, float]:
    ends = [
        end
        for window in windows
        for end in (window.utility_low, window.utility, window.utility_high)
        if end is not None
    ]
    if not ends:
        return (0.0, 1.0)
    low, high = min(ends), max(ends)
    spare = max(LEAST_AXIS - (high - low), 0.0) / 2
    return low - spare, high + spare


def _interval(window: RolloutWindow, axis: tuple[float, float], columns: int, style: str) -> Text:
    low, middle, high = window.utility_low, window.utility, window.utility_high
    if low is None or middle is None or high is None:
        return Text("-")
    drawn = interval((low, middle, high), axis, columns)
    return Text.assemble((drawn, style), f" {low:.3f} to {high:.3f}")


def interval(of: tuple[float, float, float], axis: tuple[float, float], columns: int) -> str:
    """An interval and its middle on an axis.

    >>> interval((0.2, 0.5, 0.8), (0.0, 1.0), 11)
    '  ├──●──┤  '
    >>> interval((0.5, 0.5, 0.5), (0.0, 1.0), 5)
    '  ●  '
    """
    spread = axis[1] - axis[0]
    low, middle, high = (round((one - axis[0]) / spread * (columns - 1)) for one in of)
    cells = [" "] * columns
    cells[low : high + 1] = "─" * (high + 1 - low)
    cells[low], cells[high] = "├", "┤"
    cells[middle] = "●"
    return "".join(cells)


def _bets(look: Look) -> RenderableType | None:
    found = look.evidence
    if found is None or look.ended or look.serves:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    for words, share, style in (
        ("for promotion", found.promotion, "green"),
        ("for rollback", found.rollback, "red"),
    ):
        told = f"{100 * max(0.0, min(1.0, share)):.0f} % of the evidence it needs"
        table.add_row(words, Text(bar(share, BAR_COLUMNS), style=style), told)
    return table


def _path(look: Look) -> Text | None:
    steps = [point.green_percent for point in look.status.trajectory]
    if len(steps) < 2:  # noqa: PLR2004 - one step is no path
        return None
    return Text.assemble(
        ("green's share  ", "dim"),
        (sparkline(steps[-60:]), STYLES["green"]),
        f"  {steps[0]} % → {steps[-1]} %",
    )


def sparkline(percents: Sequence[int]) -> str:
    """Shares over time, one character each.

    >>> sparkline([0, 5, 50, 100])
    '▁▁▅█'
    """
    return "".join(_LEVELS[min(7, one * 8 // 100)] for one in percents)


def _facts(look: Look) -> Table | None:
    rows = list(_rows_of_facts(look))
    if not rows:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for title, text, style in rows:
        table.add_row(title, Text(text, style=style))
    return table


def _rows_of_facts(look: Look) -> Iterator[tuple[str, str, str]]:
    status = look.status
    if status.verdict is not None:
        style = "bold green" if look.serves else "bold red"
        words = dict.fromkeys((status.verdict.outcome, status.verdict.reason))
        yield "verdict", ", ".join(words), style
        yield "because", status.verdict.message, ""
    if status.waits_for and not look.ended:
        yield "waits for", status.waits_for, ""
    if status.applied_percent is not None and status.applied_percent != look.green_percent:
        yield "routers", f"still send {status.applied_percent} % to green", "yellow"
    if status.shadow_percent:
        yield "shadows", f"green answers {status.shadow_percent} % of the requests unseen", ""
    for signal in status.signals:
        yield "signal", f"{signal.name}: {signal.message}", "yellow"
    settled = look.ended or look.serves
    missing = [gate for gate in status.gates if gate.state != "Passed"]
    for gate in missing if not settled else ():
        yield "gate", f"{gate.name} is {gate.state.lower()}: {gate.message}", "yellow"
    if status.forecast is not None and status.forecast.message and not settled:
        yield "expected", status.forecast.message, ""


def _steps(look: Look) -> Table | None:
    points = look.status.trajectory[-SHOWN_STEPS:]
    if not points:
        return None
    table = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for width in STEP_COLUMNS:
        table.add_column(width=width, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True)
    for point in points:
        where = (clock(point.time), point.stage or "", f"{point.green_percent} %", point.reason)
        table.add_row(*(Text(one, style="dim") for one in where))
    return table
