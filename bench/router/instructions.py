"""How many instructions does one request cost the dispatcher's own code? The same on any machine.

Processor time swings by a third while others use the machine; the count of instructions does not.
valgrind (callgrind) counts them for the very requests of ``cpu.py``, kernel and waiting left out,
and what it counts twice differs by less than one in a thousand. Two minutes for each tree.

examples:
    python bench/router/instructions.py                      # auto and by name
    python bench/router/instructions.py --connections 16     # with many at the same time
    python bench/router/instructions.py --against HEAD~10    # beside an older commit
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import uvloop
from cpu import MODELS, ROOT, WARM, ask, dispatcher_in, request_of, unpacked
from load import bodies

from tierwise_router.app import App
from tierwise_router.http1.server import Server

COUNTED: Final = 400
INSIDE: Final = "--inside"


def switch(*words: str) -> None:
    """Tell the valgrind that runs us something."""
    command = ["callgrind_control", *words, str(os.getpid())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


async def counted(connections: int) -> None:
    """Answer requests of each kind; valgrind writes one dump for each."""
    with tempfile.TemporaryDirectory() as name:
        dispatcher = dispatcher_in(Path(name))
        server = Server(App(dispatcher).answer, patience_s=60)
        for model in MODELS.values():
            requests = [request_of(body) for body in bodies(model, large=False)]
            await ask(server, requests, WARM // 4)
            gc.collect()
            gc.freeze()
            switch("--instr=on")
            await ask(server, requests, COUNTED, connections)
            switch("--dump")
            switch("--instr=off")
        if dispatcher.journal is not None:
            dispatcher.journal.close()


def count_in(tree: Path, connections: int) -> dict[str, float]:
    """Give the instructions of a request of each kind, by the code of a tree."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, "out")
        # Sets and dictionaries of strings lie the same way each time.
        env = {**os.environ, "BENCH_TREE": str(tree), "PYTHONHASHSEED": "0"}
        command = [
            "valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no",
            f"--callgrind-out-file={out}", sys.executable, __file__, INSIDE,
            "--connections", str(connections),
        ]  # fmt: skip
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        dumps = [total_of(Path(f"{out}.{at}")) for at in range(1, len(MODELS) + 1)]
    return {title: total / COUNTED for title, total in zip(MODELS, dumps, strict=True)}


def total_of(dump: Path) -> int:
    """Read the sum out of a dump."""
    lines = dump.read_text(errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("totals:"))


def main() -> None:
    about, _, examples = (__doc__ or "").partition("examples:")
    parser = argparse.ArgumentParser(
        description=about, epilog=f"examples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--against", metavar="COMMIT", help="compare with this commit")
    parser.add_argument("--connections", type=int, default=1, help="at the same time (1)")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        uvloop.run(counted(options.connections))
        return
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not on PATH. Fix: apt-get install valgrind")
    new = count_in(ROOT, options.connections)
    for title, count in new.items():
        print(f"{title}: {count:,.0f} instructions a request")
    if options.against:
        with unpacked(options.against) as tree:
            old = count_in(tree, options.connections)
        for title, count in old.items():
            print(f"{title}: {new[title] / count:.3f} of the {count:,.0f} at {options.against}")


if __name__ == "__main__":
    main()
