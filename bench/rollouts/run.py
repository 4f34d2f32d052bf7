"""How often is a candidate judged wrongly, how late, and what does it cost? Thousands of rollouts.

Every rule sees the same kinds of made-up answers. "Lost" are right answers, of the first 20,000,
that always asking the better side would have had more of; what a wrong verdict costs until then is
in it.

examples:
    python bench/rollouts/run.py                      # 1,000 rollouts a cell, some minutes
    python bench/rollouts/run.py --runs 100           # a first look
    python bench/rollouts/run.py --only "10 points worse"
    python bench/rollouts/run.py --output json > rollouts.json
    python bench/rollouts/run.py --record             # write the table into the decision's page
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "operator")]

from rich.progress import Progress  # noqa: E402 - the path is set first
from rivals import FixedSteps, PlainSoftmax  # noqa: E402

from tierwise_core.rollout.evidence import Baseline, Yardstick  # noqa: E402
from tierwise_core.rollout.paired import Paired  # noqa: E402
from tierwise_core.rollout.ramp import Step  # noqa: E402
from tierwise_core.rollout.situation import Wish  # noqa: E402
from tierwise_core.rollout.trial import (  # noqa: E402
    Chance,
    Ending,
    Guarded,
    Rule,
    Scenario,
    lost_later,
    play,
)

PAGE = ROOT / "docs" / "decisions" / "bets-instead-of-means.md"
START, END = "<!-- figures: made by make bench-rollouts RECORD=yes -->", "<!-- end of figures -->"
CODE = Yardstick(delta=0.025, tolerance=1.5, first=20, step=10)
WISH = Wish(yardstick=CODE, on_inconclusive="Promote")
SCENARIOS = {
    "equal": Scenario(),
    "5 points better": Scenario(green=0.90),
    "delta worse": Scenario(green=0.85 - 0.025 / 0.7),
    "10 points worse": Scenario(green=0.75),
    "broken": Scenario(green=0.20),
    "better, then worse": Scenario(green=0.90, green_later=0.60, turns_at=1000),
    "equal, noisy": Scenario(blue=0.6, green=0.6, spread=0.3),
    "equal, little traffic": Scenario(window=2, limit=2000),
    "broken, little traffic": Scenario(green=0.20, window=2, limit=2000),
}
BLUE = Baseline(0.835, 0.0634, 0.85, answers=2000)
EXAMINED = "tierwise, examined"
QUESTIONS = 300
RAMP = (Step(shadow_percent=10, answers=300), *(Step(percent) for percent in (10, 25, 50, 90)))
RULES: dict[str, Callable[[], Rule]] = {
    "tierwise": partial(Guarded, WISH, BLUE),
    EXAMINED: partial(Guarded, WISH, BLUE),
    "tierwise, stages": partial(Guarded, replace(WISH, strategy="Stages", ramp=RAMP), BLUE),
    "tierwise, at once": partial(Guarded, replace(WISH, strategy="BlueGreen"), BLUE),
    "fixed 10/25/50": partial(FixedSteps, CODE.delta),
    "plain softmax": partial(PlainSoftmax, CODE.delta, CODE.first),
}
AT_ONCE = ("equal", "delta worse", "10 points worse", "broken", "better, then worse")
"""Where switching everybody at once says something: the record of blue is that of the first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    scenario: str
    rule: str
    promoted_percent: float
    rolled_back_percent: float
    open_percent: float
    answers_median: int
    green_median: int
    green_p99: int
    lost_mean: float


def played(scenario: str, rule: str, seed: int) -> Ending:
    chance = Random(f"{scenario} {seed}").random  # the same answers for every rule
    if rule == EXAMINED and loses(
        SCENARIOS[scenario], Random(f"held out {scenario} {seed}").random
    ):
        return Ending("rolled back", 0, 0, lost_later(SCENARIOS[scenario], 0, 0.0))
    return play(RULES[rule](), SCENARIOS[scenario], chance)


def loses(scenario: Scenario, chance: Chance) -> bool:
    """Ask both sides the held-out questions, as an examination does before anybody is served.

    Who gets a question right is drawn for each side alone: a candidate that was made from blue
    gets the same ones right, and fewer questions tell as much.
    """
    answers = ((chance() < scenario.blue, chance() < scenario.green) for _ in range(QUESTIONS))
    return Paired.of(answers).loses(CODE.delta)


def row(scenario: str, rule: str, endings: Sequence[Ending]) -> Row:
    count = len(endings)
    shares = {
        verdict: round(100 * sum(one.verdict == verdict for one in endings) / count, 2)
        for verdict in ("promoted", "rolled back", "open")
    }
    answers = sorted(one.answers for one in endings)
    green = sorted(one.green for one in endings)
    return Row(
        scenario,
        rule,
        *shares.values(),
        answers_median=answers[count // 2],
        green_median=green[count // 2],
        green_p99=green[min(count - 1, int(0.99 * count))],
        lost_mean=round(sum(one.lost for one in endings) / count, 1),
    )


def rows(runs: int, workers: int, only: Collection[str] = ()) -> Iterator[Row]:
    cells = [
        (scenario, rule)
        for scenario in SCENARIOS
        for rule in RULES
        if (rule != "tierwise, at once" or scenario in AT_ONCE)
        and (not only or rule in only or scenario in only)
    ]
    with Progress(transient=True) as progress, ProcessPoolExecutor(workers) as pool:
        task = progress.add_task("rollouts", total=len(cells) * runs)
        for scenario, rule in cells:
            endings = []
            for ending in pool.map(partial(played, scenario, rule), range(runs), chunksize=25):
                endings.append(ending)
                progress.advance(task)
            yield row(scenario, rule, endings)


def table(found: Sequence[Row]) -> str:
    lines = [
        "| candidate | rule | promoted | rolled back | open | answers | green's, p99 | lost |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines.extend(
        f"| {one.scenario} | {one.rule} | {one.promoted_percent:g} % "
        f"| {one.rolled_back_percent:g} % | {one.open_percent:g} % | {one.answers_median:,} "
        f"| {one.green_median:,}, {one.green_p99:,} | {one.lost_mean:,.0f} |"
        for one in found
    )
    return "\n".join(lines)


def machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def record(text: str) -> None:
    page = PAGE.read_text()
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{PAGE} has no lines {START!r} and {END!r} to write the figures between")
    PAGE.write_text(f"{before}{start}\n{text}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="rollouts per cell (default 1000)")
    parser.add_argument(
        "--only", action="append", default=[], help="a rule or a candidate to play; repeatable"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--output", choices=["table", "json"], default="table")
    parser.add_argument("--record", action="store_true", help="write into the decision's page")
    options = parser.parse_args()
    if options.record and options.only:
        parser.error("--record writes the whole table: leave --only out")
    found = list(rows(options.runs, options.workers, options.only))
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    if options.output == "json":
        print(json.dumps({"date": date, "rows": [asdict(one) for one in found]}, indent=2))
    else:
        print(table(found))
    if options.record:
        record(f"{date}, {machine()}, {options.runs} rollouts a line.\n\n{table(found)}")


if __name__ == "__main__":
    main()
