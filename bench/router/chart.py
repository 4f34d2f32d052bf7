"""Draws the bench's bars as an SVG that reads on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

__all__ = ["Bar", "Panel", "draw"]

WIDTH, LEFT, RIGHT = 760, 210, 90
ROW, TOP, GAP = 22, 34, 30
COLOURS = {"direct": "#8a8f98", "tierwise": "#2f81f7", "other": "#d29922"}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .value { font-variant-numeric: tabular-nums; }
  .grid { stroke: #8a8f98; stroke-opacity: .35; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: whose it is, how long, and the words behind it."""

    name: str
    value: float
    shown: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one unit under a title, on a logarithmic scale that all of them share."""

    title: str
    bars: Sequence[Bar]


def draw(panels: Sequence[Panel]) -> str:
    """Write the panels one under the other."""
    parts, top = [], 0.0
    for panel in panels:
        made, top = _panel(panel, top)
        parts += made
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" '
        f'width="{WIDTH}" height="{top:.0f}" role="img">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"


def scale(values: Sequence[float]) -> tuple[int, int]:
    """Give the powers of ten that all values lie between.

    >>> scale([110, 17_000]), scale([0.03, 0.2]), scale([0])
    ((2, 5), (-2, 0), (0, 1))
    """
    positive = [value for value in values if value > 0]
    if not positive:
        return 0, 1
    low = int(log10(min(positive)) // 1)
    high = int(-(-log10(max(positive)) // 1))
    return low, max(high, low + 1)


def length(value: float, low: int, high: int) -> float:
    """Give the share of the whole width that a value takes; never quite nothing.

    >>> length(1_000, 2, 4), length(0, 2, 4)
    (0.5, 0.01)
    """
    if value <= 0:
        return 0.01
    return max(0.01, (log10(value) - low) / (high - low))


def _panel(panel: Panel, top: float) -> tuple[list[str], float]:
    low, high = scale([bar.value for bar in panel.bars])
    room = WIDTH - LEFT - RIGHT
    bottom = top + TOP + ROW * len(panel.bars)
    parts = [f'<text class="title" x="0" y="{top + 18:.0f}">{escape(panel.title)}</text>']
    for power in range(low, high + 1):
        x = LEFT + room * (power - low) / (high - low)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + TOP - 6:.0f}" '
            f'y2="{bottom:.0f}"/>'
        )
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 14:.0f}" text-anchor="middle">{10.0**power:g}</text>'
        )
    for at, bar in enumerate(panel.bars):
        y = top + TOP + ROW * at
        wide = room * length(bar.value, low, high)
        kind = bar.name.partition(",")[0].partition(" ")[0]
        colour, shown = COLOURS.get(kind, COLOURS["other"]), escape(bar.shown)
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(bar.name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{wide:.1f}" height="16" rx="2" fill="{colour}"/>',
            f'<text class="value" x="{LEFT + wide + 6:.1f}" y="{y + 13}">{shown}</text>',
        ]
    return parts, bottom + GAP
