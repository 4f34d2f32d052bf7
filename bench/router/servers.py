"""The tierwise side of the bench, as processes: one dispatcher alone, or a router pod on Ray.

python bench/router/servers.py alone PORT RESOURCES RUN_DIR
python bench/router/servers.py ray PORT RESOURCES RUN_DIR DISPATCHERS
python bench/router/servers.py streams PORT
"""

from __future__ import annotations

import asyncio
import gc
import sys
from dataclasses import replace
from pathlib import Path

import uvloop
from upstream import serve_streams

from tierwise_router.app import App
from tierwise_router.brain import Brain
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.journal import Journal
from tierwise_router.listener import Listener, claim_port
from tierwise_router.serve import serve
from tierwise_router.settings import Settings
from tierwise_router.sources.files import read_resources
from tierwise_router.table import build_table

JOURNAL_BYTES = 64 * 1024 * 1024


async def serve_alone(port: int, resources: Path, run_dir: Path) -> None:
    """One dispatcher in this process, with all that a replica has but Ray and the watcher."""
    settings = Settings(host="127.0.0.1", port=port, dispatchers=1)
    table, problems = build_table(read_resources([resources]))
    if problems:
        raise SystemExit("\n".join(str(problem) for problem in problems))
    dispatcher = Dispatcher.create(settings)
    dispatcher.journal = Journal(run_dir / "journal", dispatcher.ids.process, JOURNAL_BYTES)
    dispatcher.journal.start(in_turn=True)
    dispatcher.take(Brain.build(table))
    await Listener.open(App(dispatcher), claim_port(settings.host, port), drain_s=1)
    gc.collect()
    gc.freeze()
    await asyncio.Event().wait()


def serve_on_ray(port: int, resources: Path, run_dir: Path, dispatchers: int) -> int:
    settings = Settings(
        host="127.0.0.1", port=port, dispatchers=dispatchers,
        journal_dir=str(run_dir / "journal-ray"), log_level="warning",
    )  # fmt: skip
    return serve([resources], replace(settings, health_port=0))


def main() -> None:
    match sys.argv[1:]:
        case ["alone", port, resources, run_dir]:
            uvloop.run(serve_alone(int(port), Path(resources), Path(run_dir)))
        case ["ray", port, resources, run_dir, dispatchers]:
            sys.exit(serve_on_ray(int(port), Path(resources), Path(run_dir), int(dispatchers)))
        case ["streams", port]:
            uvloop.run(serve_streams(int(port)))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
