"""The curve of a replay as an SVG picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

__all__ = ["chart_svg"]

WIDTH: Final = 720
HEIGHT: Final = 420
LEFT, TOP, RIGHT, BOTTOM = 70, 40, 20, 60
STEPS: Final = 5


def chart_svg(said: Mapping[str, Any]) -> str:
    """Draw quality over calls to the strong model, against routing at random; the threshold too."""
    points = [(one["strong_share"], one["accepted"]) for one in said["curve"]]
    chosen = said["threshold"]
    marks = [(chosen["strong_share"], chosen["accepted"])] if chosen else []
    heights = [y for _, y in (*points, *marks)]
    low, high = min(heights), max(heights)
    spread = (high - low) or 0.01
    low, high = low - 0.05 * spread, high + 0.05 * spread

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across = WIDTH - LEFT - RIGHT
        down = HEIGHT - TOP - BOTTOM
        return round(LEFT + x * across, 1), round(TOP + (high - y) / (high - low) * down, 1)

    title = f"{said['cheap']} and {said['strong']}: accepted answers by calls to the strong model"
    figure = "" if said["apgr"] is None else f"APGR {said['apgr']:.3f}"
    body = [
        _text(LEFT, 22, title, size=15),
        *_grid(low, high, place),
        _line([place(points[0]), place(points[-1])], "#9aa0a6", dashed=True),
        _line([place(point) for point in points], "#1a73e8"),
        *(_dot(place(mark)) for mark in marks),
        _text(WIDTH - RIGHT, HEIGHT - BOTTOM - 12, figure, anchor="end"),
        _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 14,
              f"calls to {said['strong']}", anchor="middle"),
    ]  # fmt: skip
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" role="img">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _grid(low: float, high: float, place: Any) -> list[str]:
    drawn = []
    for step in range(STEPS + 1):
        share = step / STEPS
        x, bottom = place((share, low))
        height = low + share * (high - low)
        left, y = place((0.0, height))
        drawn += [
            _line([(left, y), (WIDTH - RIGHT, y)], "#e8eaed", width=1),
            _text(left - 8, y + 4, f"{height:.1%}", anchor="end", size=11),
            _text(x, bottom + 18, f"{share:.0%}", anchor="middle", size=11),
        ]
    return drawn


def _line(
    points: Sequence[tuple[float, float]], colour: str, *, width: int = 2, dashed: bool = False
) -> str:
    dash = ' stroke-dasharray="6 5"' if dashed else ""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'


def _dot(point: tuple[float, float]) -> str:
    x, y = point
    return f'<circle cx="{x}" cy="{y}" r="5" fill="#d93025"><title>the threshold</title></circle>'


def _text(x: float, y: float, said: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="#202124">'
        f"{escape(said)}</text>"
    )
