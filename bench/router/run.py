"""What does a router cost? tierwise beside the Rust vllm-router and LiteLLM, in one run.

All of them stand before the same instant upstream on this machine, and take turns for each figure.
tierwise makes its full decision: the tenant's key, the field, the prediction, the pick, the record;
by name, where nothing is to be chosen, and auto. Every request has another prompt than the last
(500 in turn), so that no cache can stand in for the decision. Latencies are closed-loop: each
connection asks again as soon as it is answered. On a busy machine only the ratios say much.

examples:
    python bench/router/run.py                       # about ten minutes
    python bench/router/run.py --quick               # about two
    python bench/router/run.py --without litellm --connections 1 16
    python bench/router/run.py --record              # tables and chart into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "hack")]

import uvloop  # noqa: E402 - the path is set first
from contestants import Contestant, Scene  # noqa: E402
from figures import Cell, cpu_us_per_request, median_cell  # noqa: E402
from load import Load, measure  # noqa: E402
from page import MAIN, Figures, machine, ratios, record, tables  # noqa: E402
from peers import ensure_peers, ensure_programs  # noqa: E402
from streams import StreamLoad, run_streams  # noqa: E402

PAGE, CHART = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.svg"
CONNECTIONS = (1, 16, 256, 1024)
MEMORY_REQUESTS, MEMORY_S = 200_000, 45.0
SLOW = 64
SETTLE_S = 12.0
LONGER = 3


def lineup(scene: Scene, without: Sequence[str]) -> list[tuple[str, Contestant]]:
    """Start everybody, and name each way of asking them."""
    say("starting the upstreams and the contestants ...")
    found = [("direct", scene.direct())]
    if "alone" not in without:
        alone = scene.alone()
        found += [("tierwise, by name", alone), ("tierwise, auto", auto(alone))]
    for dispatchers in (1, 2):
        if f"ray{dispatchers}" not in without and "ray" not in without:
            pod = scene.ray(dispatchers)
            found.append((f"tierwise on Ray x{dispatchers}, auto", auto(pod)))
            if dispatchers == 2:
                found.append(("tierwise on Ray x2, by name", pod))
    if "vllm-router" not in without:
        found.append(("vllm-router", scene.vllm_router()))
    if "litellm" not in without:
        found.append(("litellm", scene.litellm()))
    scene.ready()
    return found


def auto(contestant: Contestant) -> Contestant:
    return replace(contestant, whole_model="auto", streams_model="auto")


def whole_cell(scene: Scene, one: Contestant, load: Load, seconds: float) -> Cell:
    before = one.use()
    cell = measure(scene.folder, one.whole_port, load, seconds)
    return replace(cell, cpu_us=cpu_us_per_request(before, one.use(), cell.requests))


def streams_cell(one: Contestant, load: StreamLoad, seconds: float) -> Cell:
    before = one.use()
    began_at = time.perf_counter()
    result = uvloop.run(run_streams(one.streams_port, load, seconds))
    cell = result.cell(time.perf_counter() - began_at)
    return replace(cell, cpu_us=cpu_us_per_request(before, one.use(), cell.requests))


def measure_all(
    scene: Scene, contestants: list[tuple[str, Contestant]], options: argparse.Namespace
) -> Figures:
    figures = Figures()
    for connections in options.connections:
        for kind, large in (("whole", False), ("whole", True), ("streams", False)):
            if kind not in options.kinds:
                continue
            key = (kind, connections, large)
            figures.cells[key] = one_figure(scene, contestants, key, options)
    return figures


def settle(one: Contestant) -> None:
    """Wait until a contestant has worked off what its last clients left behind."""
    until = time.monotonic() + SETTLE_S
    busy = True
    while busy and one.processes and time.monotonic() < until:
        before = one.use().cpu_s
        time.sleep(0.25)
        busy = one.use().cpu_s - before > 0.1


def one_figure(
    scene: Scene,
    contestants: list[tuple[str, Contestant]],
    key: tuple[str, int, bool],
    options: argparse.Namespace,
) -> dict[str, Cell]:
    """Measure everybody under one load, in turns; the headline three times over."""
    kind, connections, large = key
    rounds = options.rounds if key == MAIN else 1
    found: dict[str, list[Cell]] = {name: [] for name, _ in contestants}
    for _ in range(rounds):
        for name, one in contestants:
            if kind == "whole":
                load = Load(one.whole_model, connections, large)
                # 1,024 bodies of 200 KB that arrive together take a second to arrive.
                longer = LONGER if large and connections > 256 else 1
                cell = whole_cell(scene, one, load, longer * options.seconds)
            else:
                gap_ms = 50 if connections > 256 else 0
                streams = StreamLoad(one.streams_model, connections, gap_ms=gap_ms)
                cell = streams_cell(one, streams, options.seconds)
            found[name].append(cell)
            if connections > 16 or cell.errors:
                settle(one)
            size = "200 KB" if large else "150 B"
            say(
                f"{kind:8}{size:>7}{connections:6}  {name:28}{cell.rps:10,.0f}/s "
                f"p50 {cell.p50_ms:8.3f} p99 {cell.p99_ms:8.2f} ms  {cell.cpu_us:7.0f} us CPU "
                f"{cell.errors:5} errors"
            )
    return {name: median_cell(cells) for name, cells in found.items()}


def memory(
    scene: Scene, contestants: list[tuple[str, Contestant]], most: int, longest_s: float
) -> dict[str, tuple[int, int, int]]:
    """Look at memory before and after that many requests, or as many as go into the time."""
    found = {}
    for name, one in contestants:
        if not one.processes or name == "tierwise, by name":
            continue
        before, done, began_at = one.use().rss_bytes, 0, time.monotonic()
        while done < most and time.monotonic() - began_at < longest_s:
            done += measure(scene.folder, one.whole_port, Load(one.whole_model, 16), 3).requests
        found[name] = (done, before, one.use().rss_bytes)
        say(f"memory {name}: {before >> 20} -> {found[name][2] >> 20} MiB after {done:,} requests")
    return found


def neighbours(scene: Scene, one: Contestant, seconds: float) -> dict[str, float]:
    """Measure others beside clients that read nothing, and beside an engine that says nothing."""
    import asyncio  # noqa: PLC0415 - here alone

    async def beside(load: StreamLoad | None) -> float:
        held = []
        if load is not None:
            from streams import hold_streams  # noqa: PLC0415

            held = await hold_streams(one.streams_port, load)
            # Until the buffers between engine and reader are full, it is a load and no standstill.
            await asyncio.to_thread(settle, one)
        args = (scene.folder, one.whole_port, Load(one.whole_model, 16), seconds)
        cell = await asyncio.to_thread(measure, *args)
        for writer in held:
            writer.transport.abort()
        return cell.p99_ms

    slow = StreamLoad(one.streams_model, 0, events=100_000, slow=SLOW)
    stuck = StreamLoad(one.streams_model, 0, events=2, gap_ms=600_000, slow=SLOW)
    found = {
        "nobody": uvloop.run(beside(None)),
        f"{SLOW} clients that read nothing of endless streams": uvloop.run(beside(slow)),
        f"{SLOW} streams of an engine that fell silent": uvloop.run(beside(stuck)),
        "nobody, again": uvloop.run(beside(None)),
    }
    for name, value in found.items():
        say(f"p99 beside {name}: {value:.2f} ms")
    return found


def say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    about, _, examples = (__doc__ or "").partition("examples:")
    parser = argparse.ArgumentParser(
        description=about, epilog=f"examples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few loads, a second each")
    parser.add_argument("--seconds", type=float, help="for each figure (2; quick: 1)")
    parser.add_argument("--rounds", type=int, help="of the main figure, the median kept (3; 1)")
    parser.add_argument("--connections", type=int, nargs="+", help="1 16 256 1024; quick: 1 16")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="NAME",
        choices=["alone", "ray", "ray1", "ray2", "vllm-router", "litellm"],
        help="leave out: alone, ray, ray1, ray2, vllm-router, litellm",
    )  # fmt: skip
    parser.add_argument(
        "--kinds", nargs="+", default=["whole", "streams"], choices=["whole", "streams"],
        help="answers in one piece, streams, or both (default)",
    )  # fmt: skip
    parser.add_argument("--no-memory", action="store_true", help="leave the long loads out")
    parser.add_argument("--record", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1.0 if options.quick else 2.0)
    options.connections = options.connections or (CONNECTIONS[:2] if options.quick else CONNECTIONS)
    return options


def main() -> None:
    options = arguments()
    # Ended from outside it ends what it has started all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    began_at = time.monotonic()
    ensure_programs()
    needs = {"vllm-router", "litellm"} - set(options.without)
    peers = ensure_peers() if needs else None
    with tempfile.TemporaryDirectory() as folder, Scene(Path(folder), peers) as scene:
        contestants = lineup(scene, options.without)
        figures = measure_all(scene, contestants, options)
        mine = [one for name, one in contestants if name == "tierwise, by name"]
        if mine:
            figures.neighbours = neighbours(scene, mine[0], options.seconds)
        if options.no_memory:
            contestants = []
        most, longest_s = (3_000, 3.0) if options.quick else (MEMORY_REQUESTS, MEMORY_S)
        figures.memory = memory(scene, contestants, most, longest_s)
    figures.seconds = time.monotonic() - began_at
    say(f"\n{tables(figures)}\n\n{ratios(figures)}\n{machine()}; {figures.seconds:.0f} s")
    if options.record:
        quick = " QUICK=yes" if options.quick else ""
        record(figures, PAGE, CHART, f"make bench-router RECORD=yes{quick}")


if __name__ == "__main__":
    main()
