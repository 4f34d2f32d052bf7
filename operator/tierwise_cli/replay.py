"""`tierwise replay`: what a router that learned from one log would have made of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tierwise_cli.errors import CliError
from tierwise_cli.extras import need_extra
from tierwise_cli.options import Output, OutputOption, examples
from tierwise_cli.printing import page, print_json, reported
from tierwise_cli.progress import progress
from tierwise_cli.replay_chart import chart_svg
from tierwise_cli.replay_view import print_replay
from tierwise_core.errors import TierwiseError

__all__ = ["EXAMPLES", "replay"]

EXAMPLES = examples(
    "tierwise replay --train january.jsonl --test february.jsonl",
    "tierwise replay --train a.jsonl --test b.jsonl --cheap sorter --strong frontier -o json",
    "tierwise replay --train a.jsonl --test b.jsonl --keep 0.95 --chart curve.svg",
)
_NEEDED = ("numpy", "scipy")
_STEPS = 9
_Log = Annotated[
    Path,
    typer.Option(
        exists=True,
        dir_okay=False,
        readable=True,
        help='JSON lines: {"query", "field"?, "outcomes": {name: {"accepted", "cost_usd"}}}.',
    ),
]


def replay(  # noqa: PLR0913, PLR0917 - the options of a command
    train: _Log,
    test: _Log,
    cheap: Annotated[
        str | None, typer.Option(help="The cheap model; by default the cheapest.")
    ] = None,
    strong: Annotated[
        str | None, typer.Option(help="The strong model; by default the most accepted.")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Who takes part, by comma; by default every model.")
    ] = None,
    keep: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="The share of the best baseline's quality to keep."),
    ] = 1.0,
    chart: Annotated[
        Path | None, typer.Option(help="Write the curve as SVG here.", dir_okay=False)
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Fit on one log of outcomes, route another, and compare: cost, quality, calibration.

    Only rows of --test are judged; the threshold and everything else is chosen on --train.
    """
    with reported(output):
        need_extra("router", "tierwise replay", _NEEDED)
        names = [name.strip() for name in models.split(",") if name.strip()] if models else None
        with progress(output, _STEPS) as step:
            said, problems = _replayed(train, test, (names, cheap, strong, keep), step)
        if chart is not None:
            _write(chart, chart_svg(said))
        if output is Output.JSON:
            print_json(said | {"problems": problems})
        else:
            print_replay(page(), said)
            for problem in problems:
                page(stderr=True).print(f"left out: {problem}", markup=False)


def _replayed(
    train: Path, test: Path, chosen: tuple[Any, ...], step: Callable[[str], None]
) -> tuple[dict[str, Any], list[str]]:
    from tierwise_router.learning.log_rows import read_log  # noqa: PLC0415 - heavy
    from tierwise_router.learning.replay import choose_models  # noqa: PLC0415
    from tierwise_router.learning.replay import replay as run  # noqa: PLC0415
    from tierwise_router.learning.report import report  # noqa: PLC0415

    try:
        step("reading logs")
        first, second = read_log(train), read_log(test)
        choice = choose_models(first.rows, *chosen)
        found = run(first, second, choice, step)
    except TierwiseError as error:
        raise CliError(str(error)) from error
    return report(found), [*first.problems, *second.problems]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"the chart cannot be written to {path}: {error.strerror}") from error
