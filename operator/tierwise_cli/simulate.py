"""`tierwise simulate rollout`: what a rollout would do with a user's own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tierwise_cli.errors import UsageError
from tierwise_cli.options import Output, OutputOption, examples
from tierwise_cli.printing import page, plain_table, print_json, reported
from tierwise_core.field_profiles import BUILT_IN, FieldJudgement
from tierwise_core.rollout.evidence import Baseline, Yardstick
from tierwise_core.rollout.forecast import Forecast, forecast
from tierwise_core.rollout.ramp import Strategy
from tierwise_core.rollout.situation import Wish
from tierwise_core.rollout.trial import OF_RIGHT, Ending, Guarded, Scenario, play

__all__ = ["ROLLOUT_EXAMPLES", "rollout", "simulating"]

ROLLOUT_EXAMPLES = examples(
    "tierwise simulate rollout --blue 0.85 --green 0.80",
    "tierwise simulate rollout --blue 0.9 --green 0.9 --field medical --answers-per-hour 400",
    "tierwise simulate rollout --green 0.75 --strategy Stages",
    "tierwise simulate rollout --blue 0.7 --green 0.75 --on-inconclusive Hold --output json",
)
MEAN_CONFIDENCE = 0.8
LONGEST = 200_000
RECORD = 2_000
"""From how many judged answers blue is known when a simulated rollout begins."""
ENDS = (
    ("promoted", "promoted"),
    ("rolled back", "rolledBack"),
    ("left to a person", "leftToAPerson"),
    ("open", "open"),
)
Policy = Literal["Promote", "Rollback", "Hold"]


def rollout(  # noqa: PLR0913, PLR0917 - the options of a command
    blue: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Share of blue's answers that are accepted.")
    ] = 0.85,
    green: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The same of green's, as you imagine it.")
    ] = 0.85,
    field: Annotated[
        str, typer.Option(help="The field, for what counts as a change and how long it must hold.")
    ] = "general",
    answers_per_hour: Annotated[
        float | None, typer.Option(min=0.1, help="Judged answers of both sides, to tell hours.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=100, max=LONGEST, help="Give up after so many answers.")
    ] = 20_000,
    on_inconclusive: Annotated[
        Policy, typer.Option(help="What follows when the sides do not differ.")
    ] = "Promote",
    strategy: Annotated[
        Strategy,
        typer.Option(
            help="How traffic grows: by the evidence, by stages (shadows of 10 %, then 10, 25, "
            "50, 90 %), all at once, or unseen only."
        ),
    ] = "Utility",
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="Rollouts to play.")] = 200,
    seed: Annotated[int, typer.Option(help="Of chance: the same seed, the same rollouts.")] = 1,
    output: OutputOption = Output.TEXT,
) -> None:
    """Play rollouts of a candidate: how often it is promoted, how soon, at what loss."""
    with reported(output):
        judgement = _judgement(field)
        yardstick = Yardstick(
            judgement.noticeable_change, 1.5, 2 * judgement.interactions, judgement.interactions
        )
        wish = Wish(yardstick=yardstick, on_inconclusive=on_inconclusive, strategy=strategy)
        scenario = Scenario(blue=blue, green=green, limit=limit, horizon=limit)
        baseline = _baseline(blue)
        with _progress(output, runs) as advance:
            endings = []
            for number in range(runs):
                chance = Random(f"{seed} {number}").random  # noqa: S311 - chance, not a secret
                endings.append(play(Guarded(wish, baseline), scenario, chance))
                advance()
        ahead = forecast(wish, baseline.variance)
        said = _said(endings, ahead, yardstick)
        if output is Output.JSON:
            asked = {"field": field, "blue": blue, "green": green, "strategy": strategy}
            print_json({**asked, **said})
        else:
            _print(page(), said, ahead, answers_per_hour)


def _judgement(field: str) -> FieldJudgement:
    if field in BUILT_IN:
        return BUILT_IN[field]
    raise UsageError(
        f"--field {field!r} has no built-in profile", fix=f"give one of {', '.join(BUILT_IN)}"
    )


def _baseline(blue: float) -> Baseline:
    """Return what the record of such a blue would say of its utility."""
    variance = OF_RIGHT**2 * blue * (1 - blue) + ((1 - OF_RIGHT) * 0.1) ** 2
    return Baseline(OF_RIGHT * blue + (1 - OF_RIGHT) * MEAN_CONFIDENCE, variance, blue, RECORD)


def _said(endings: Sequence[Ending], ahead: Forecast, yardstick: Yardstick) -> dict[str, Any]:
    count = len(endings)
    answers = sorted(one.answers for one in endings)
    green = sorted(one.green for one in endings)
    shares = {
        verdict: sum(one.verdict == verdict for one in endings) / count
        for verdict in ("promoted", "rolled back", "left to a person", "open")
    }
    return {
        "runs": count,
        "delta": yardstick.delta,
        "promoted": shares["promoted"],
        "rolledBack": shares["rolled back"],
        "leftToAPerson": shares["left to a person"],
        "open": shares["open"],
        "answers": {"median": answers[count // 2], "p90": answers[min(count - 1, count * 9 // 10)]},
        "greenAnswers": {"median": green[count // 2], "most": green[-1]},
        "rightAnswersLost": sum(one.lost for one in endings) / count,
        "forecast": {
            "equal": ahead.equal,
            "better": ahead.better,
            "worse": ahead.worse,
            "broken": ahead.broken,
        },
    }


def _print(out: Console, said: dict[str, Any], ahead: Forecast, per_hour: float | None) -> None:
    table = plain_table("OF THE ROLLOUTS", "SHARE>")
    for name, key in ENDS:
        if said[key] or key != "leftToAPerson":
            table.add_row(name, f"{100 * said[key]:.1f} %")
    out.print(table)
    answers, green = said["answers"], said["greenAnswers"]
    hours = f" ({answers['median'] / per_hour:.2g} h)" if per_hour else ""
    out.print(
        f"\nDecided after {answers['median']:,} judged answers{hours} in half of them, "
        f"{answers['p90']:,} in nine of ten.\nGreen answered {green['median']:,} of these "
        f"(at most {green['most']:,}); {said['rightAnswersLost']:.0f} right answers were lost on "
        "average beside always asking the better side.",
        soft_wrap=True,
    )
    out.print(f"\nOn average it takes {ahead.told(per_hour)}.", soft_wrap=True)
    out.print(f"A change of utility counts from {said['delta']:g} on.")


@contextmanager
def _progress(output: Output, total: int) -> Iterator[Any]:
    shown = Console(stderr=True)
    with Progress(
        TextColumn("playing rollouts"),
        BarColumn(),
        TimeElapsedColumn(),
        console=shown,
        transient=True,
        disable=output is Output.JSON or not shown.is_terminal,
    ) as progress:
        task = progress.add_task("rollouts", total=total)
        yield lambda: progress.advance(task)


simulating = typer.Typer(help="Play something through on made-up traffic.", no_args_is_help=True)
simulating.command("rollout", epilog=ROLLOUT_EXAMPLES)(rollout)
