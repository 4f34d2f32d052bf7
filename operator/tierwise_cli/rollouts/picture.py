"""A watched rollout as one animated SVG: for a README, a review or a report."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from tierwise_cli.errors import ManifestError, UsageError
from tierwise_cli.rollouts.looks import Look
from tierwise_cli.rollouts.view import scene

__all__ = ["frames", "picture", "save"]

COLUMNS: Final = 100
MOST_FRAMES: Final = 12
SECONDS_PER_FRAME: Final = 2.0
# Rich's own page would load its font from elsewhere; this one asks the reader's machine alone.
_PAGE: Final = """\
<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
xmlns="http://www.w3.org/2000/svg">
<style>.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; white-space: pre }} {styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" \
height="{terminal_height}"/></clipPath>{lines}</defs>
<rect fill="#191919" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, 16)" clip-path="url(#{unique_id}-clip-terminal)">\
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""
_SIZE: Final = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def save(path: Path, looks: Sequence[Look]) -> None:
    """Write the picture; raises UsageError where nothing was seen."""
    if not looks:
        raise UsageError("the recording has no Rollout to draw", fix="record one with -o json")
    try:
        path.write_text(picture(looks), encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{path} cannot be written: {error.strerror}") from error


def frames(looks: Sequence[Look]) -> tuple[Look, ...]:
    """Choose what to show: every change of stage, then changes of share, evenly; the last always.

    At most twelve, in their order.
    """
    stages = [at for at, look in enumerate(looks) if at == 0 or look.stage != looks[at - 1].stage]
    moved = [
        at
        for at, look in enumerate(looks)
        if at not in stages and look.green_percent != looks[at - 1].green_percent
    ]
    # Of a stage its last look says more than its first, which has no evidence yet.
    ends = [at - 1 for at in stages[1:]] + [len(looks) - 1]
    room = max(0, MOST_FRAMES - len(ends))
    step = max(1, -(-len(moved) // room)) if room else len(moved) + 1
    chosen = sorted({*ends, *moved[::step][:room]})
    return tuple(looks[at] for at in chosen[-MOST_FRAMES:])


def picture(looks: Sequence[Look]) -> str:
    """Draw the frames in turn, for ever; only the last where motion is not wanted."""
    drawn = [_frame(look, number) for number, look in enumerate(frames(looks))]
    sizes = [_SIZE.search(one) for one in drawn]
    width = max(float(size[1]) for size in sizes if size)
    height = max(float(size[2]) for size in sizes if size)
    whole_s = SECONDS_PER_FRAME * len(drawn)
    shown = 100 / len(drawn)
    style = (
        f"@keyframes turn {{ 0% {{ visibility: visible }} {shown:.3f}% {{ visibility: hidden }} }} "
        f".frame {{ visibility: hidden; animation: turn {whole_s:g}s step-end infinite }} "
        "@media (prefers-reduced-motion: reduce) { .frame { animation: none } "
        ".frame:last-of-type { visibility: visible } }"
    )
    return "\n".join(
        (
            f'<svg viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg">',
            f"<title>{looks[-1].key}: tierwise rollout watch</title>",
            f"<style>{style}</style>",
            f'<rect fill="#191919" width="{width:g}" height="{height:g}" rx="8"/>',
            *_turns(drawn),
            "</svg>\n",
        )
    )


def _turns(drawn: Sequence[str]) -> Iterator[str]:
    for number, one in enumerate(drawn):
        delay = SECONDS_PER_FRAME * number
        yield f'<g class="frame" style="animation-delay: {delay:g}s">{one}</g>'


def _frame(look: Look, number: int) -> str:
    console = Console(
        width=COLUMNS, record=True, file=io.StringIO(), highlight=False, force_terminal=True
    )
    console.print("$ tierwise rollout watch " + look.specialist, style="dim")
    console.print()
    console.print(scene(look))
    return console.export_svg(
        code_format=_PAGE, unique_id=f"f{number}", theme=DIMMED_MONOKAI, title=""
    )
