"""How fast and how good is the placement? tierwise beside CP-SAT and first-fit-decreasing.

All three place the same made-up cloud fleets in the same run. tierwise's time is the best of three;
"again" is the pass after the plan was carried out, when everything runs and nothing should move.
CP-SAT minimises what is missing of each priority, then the cost; its time is limited.

examples:
    python bench/placement/run.py                        # four fleets, a few minutes
    python bench/placement/run.py --fleet large --cpsat-seconds 60
    python bench/placement/run.py --specialists 3000 --nodes 900 --tiers 40 --load 0.8
    python bench/placement/run.py --output json > placement.json
    python bench/placement/run.py --record               # write the table into docs/placement.md
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "operator")]

from cloud import applied, cloud  # noqa: E402 - the path is set first
from contestants import Result, cp_sat, first_fit_decreasing, gpus, ours  # noqa: E402

from tierwise_core.placement import place  # noqa: E402

PAGE = ROOT / "docs" / "placement.md"
START, END = "<!-- figures: made by make bench-placement RECORD=yes -->", "<!-- end of figures -->"
FLEETS = {
    "small": (100, 50, 8, 0.8),
    "medium": (1_000, 500, 30, 0.8),
    "large": (10_000, 5_000, 100, 0.8),
    "large, short": (10_000, 5_000, 100, 1.05),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    fleet: str
    solver: str
    seconds: float
    missing: tuple[int, ...]
    usd_per_hour: float
    above_bound_percent: float | None
    times_tierwise: float


def timed(call: Callable[[], Result], times: int = 1) -> tuple[float, Result]:
    best = float("inf")
    for _ in range(times):
        gc.collect()
        gc.freeze()  # what was there before is not this call's garbage
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def rows(name: str, size: tuple[int, int, int, float], cpsat_seconds: float) -> Iterator[Row]:
    specialists, nodes, tiers, load = size
    requests, fleet = cloud(specialists, nodes, tiers, load)
    counted = gpus(requests, fleet)
    told(
        f"{name}: {specialists:,} Specialists with {counted['replicas']:,} replicas, {nodes:,} "
        f"nodes in {tiers} tiers with {counted['free']:,} free GPUs"
    )
    told("  tierwise ...")
    seconds, mine = timed(lambda: ours(requests, fleet), 3)
    told("  tierwise, when all of that runs ...")
    running, now = applied(requests, fleet, place(requests, fleet))
    again_seconds, again = timed(lambda: ours(running, now), 3)
    if again.missing != mine.missing or abs(again.usd_per_hour - mine.usd_per_hour) > 1e-6:
        raise SystemExit("placing again changed something; that is a bug of the solver")
    told("  first-fit-decreasing ...")
    plain_seconds, plain = timed(lambda: first_fit_decreasing(requests, fleet))
    told(f"  CP-SAT, at most {cpsat_seconds:.0f} s ...")
    exact_seconds, exact = timed(lambda: cp_sat(requests, fleet, cpsat_seconds))
    proof = "CP-SAT, proven" if exact.proven else "CP-SAT, out of time"
    for solver, taken, got in (
        ("tierwise", seconds, mine),
        ("tierwise, again", again_seconds, again),
        ("first-fit-decreasing", plain_seconds, plain),
        (proof, exact_seconds, exact),
    ):
        above = _above_bound(got, exact)
        yield Row(name, solver, taken, got.missing, got.usd_per_hour, above, taken / seconds)


def _above_bound(got: Result, exact: Result) -> float | None:
    """How many percent the cost is above CP-SAT's bound, which holds for as many missing as its."""
    if got.missing != exact.missing or exact.bound <= 0:
        return None
    return max(0.0, 100 * (got.usd_per_hour / exact.bound - 1))


def table(found: Sequence[Row]) -> str:
    lines = [
        "| fleet | solver | seconds | of tierwise | missing by priority | USD/h | above bound |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in found:
        missing = " / ".join(f"{count:,}" for count in row.missing)
        above = "" if row.above_bound_percent is None else f"{row.above_bound_percent:.2f} %"
        lines.append(
            f"| {row.fleet} | {row.solver} | {row.seconds:.3f} | {row.times_tierwise:.2f} x "
            f"| {missing} | {row.usd_per_hour:,.2f} | {above} |"
        )
    return "\n".join(lines)


def machine() -> str:
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def sizes_text(names: Sequence[str], sizes: dict[str, tuple[int, int, int, float]]) -> str:
    return "; ".join(
        f"{name}: {specialists:,} Specialists, {nodes:,} nodes, {tiers} tiers, {load:.0%} of the "
        "GPUs asked for"
        for name in names
        for specialists, nodes, tiers, load in [sizes[name]]
    )


def record(text: str) -> None:
    page = PAGE.read_text()
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{PAGE} has no lines {START!r} and {END!r} to write the figures between")
    PAGE.write_text(f"{before}{start}\n{text}\n{end}{after}")
    told(f"written into {PAGE.relative_to(ROOT)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fleet", choices=FLEETS, action="append", help="one of the four fleets")
    parser.add_argument("--specialists", type=int, help="a fleet of your own: Specialists")
    parser.add_argument("--nodes", type=int, default=100, help="its nodes (default 100)")
    parser.add_argument("--tiers", type=int, default=10, help="its tiers (default 10)")
    parser.add_argument("--load", type=float, default=0.8, help="share of its GPUs asked for")
    parser.add_argument("--cpsat-seconds", type=float, default=30, help="CP-SAT's limit per fleet")
    parser.add_argument("--output", choices=["table", "json"], default="table")
    parser.add_argument("--record", action="store_true", help="write into docs/placement.md")
    options = parser.parse_args()
    sizes = dict(FLEETS)
    names = options.fleet or list(FLEETS)
    if options.specialists:
        names = ["own"]
        sizes["own"] = (options.specialists, options.nodes, options.tiers, options.load)
    found = [row for name in names for row in rows(name, sizes[name], options.cpsat_seconds)]
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    if options.output == "json":
        told_json = {"date": date, "machine": machine(), "rows": [asdict(row) for row in found]}
        print(json.dumps(told_json, indent=2))
    else:
        print(table(found))
    if options.record:
        record(f"{date}, {machine()}. {sizes_text(names, sizes)}.\n\n{table(found)}")


if __name__ == "__main__":
    main()
