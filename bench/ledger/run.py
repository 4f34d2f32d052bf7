"""How fast the ledger takes outcomes, what that costs the router, and how it answers over millions.

python bench/ledger/run.py [--rows 10000000] [--seconds 20] [--only taking,latency,queries]

Runs on SQLite and on a PostgreSQL of its own, both with a real commit at each batch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from pgserver import serve
from tierwise_ledger.store import Store

sys.path.insert(0, str(Path(__file__).parent))

from latency import latency
from queries import queries
from taking import taking

PARTS = ("taking", "latency", "queries")
DURABLE = ("shared_buffers=512MB", "max_wal_size=4GB", "maintenance_work_mem=512MB")


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """The address of an empty database of each kind."""
    with serve(durable=True, settings=DURABLE) as server:
        yield {
            "SQLite": f"sqlite:///{folder}/ledger.db",
            f"PostgreSQL {server.programs.folder.parent.name}": server.url(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", default=",".join(PARTS))
    asked = parser.parse_args()
    parts = asked.only.split(",")
    out = Console(width=100, highlight=False)
    with (
        tempfile.TemporaryDirectory(prefix="bench-ledger-") as name,
        databases(Path(name)) as urls,
    ):
        for database, url in urls.items():
            out.print(f"\n[bold]{database}[/bold]")
            store = Store.open(url)
            if "taking" in parts:
                taking(out, store, asked.seconds)
            if "queries" in parts:
                queries(out, store, asked.rows)
            store.close()
        if "latency" in parts:
            latency(out, Path(name), asked.seconds)


if __name__ == "__main__":
    main()
