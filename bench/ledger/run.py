"""How fast the ledger takes outcomes, what that costs the router, and how it answers over millions.

Examples:
    python bench/ledger/run.py                                   # ten million on both: an hour
    python bench/ledger/run.py --rows 1000000 --database sqlite
    python bench/ledger/run.py --keep /var/tmp/ledger            # a run that is ended can go on
    python bench/ledger/run.py --only queries --keep /var/tmp/ledger --record

The databases are real ones that wait for the disk at each commit; only filling does not. Ten
million outcomes take 16 GB in SQLite and 25 GB in PostgreSQL.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from chores import chores
from figures import record
from filling import fill
from latency import latency
from queries import queries
from rich.console import Console
from taking import taking

from pgserver import serve
from tierwise_ledger.store import Store

PARTS = ("taking", "latency", "queries", "chores")
DATABASES = ("sqlite", "postgresql")
SETTINGS = ("shared_buffers=512MB", "max_wal_size=2GB", "maintenance_work_mem=512MB")
FILLING = ("wal_level=minimal", "max_wal_senders=0", "autovacuum=off")


@contextmanager
def opened(kind: str, folder: Path, *, filling: bool = False) -> Iterator[Store]:
    """Open the database of a kind that is in a folder; ``filling`` makes it careless and quick."""
    if kind == "sqlite":
        store = Store.open(f"sqlite:///{folder}/ledger.db")
        try:
            yield store
        finally:
            store.close()
        return
    settings = (*SETTINGS, *(FILLING if filling else ()))
    with serve(durable=not filling, settings=settings, keep=folder / "pg") as server:
        store = Store.open(server.url())
        try:
            yield store
        finally:
            store.close()


def measured(out: Console, kind: str, folder: Path, asked: argparse.Namespace) -> None:
    """Run the parts that were asked for on one kind of database."""
    out.print(f"\n[bold]{kind}[/bold]")
    if "taking" in asked.only:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            Path(name).chmod(0o755)
            with opened(kind, Path(name)) as store:
                taking(out, store, asked.seconds)
    if {"queries", "chores"}.isdisjoint(asked.only):
        return
    with opened(kind, folder, filling=True) as store:
        out.print(f"  filled in {fill(out, store, asked.rows):,.0f} s")
    with opened(kind, folder) as store:
        took = queries(out, store) if "queries" in asked.only else []
        if asked.record and took:
            record(kind, asked.rows, took)
        if "chores" in asked.only:
            chores(out, store)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="outcomes in the tables")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="for taking; a turn of latency takes an eighth"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--database", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--keep", type=Path, help="a folder for the databases, which then stay")
    parser.add_argument("--record", action="store_true", help="write into docs/ledger.md")
    asked = parser.parse_args()
    out = Console(width=110, highlight=False)
    # Sockets need short paths: not $TMPDIR.
    kept = asked.keep and nullcontext(str(asked.keep.absolute()))
    with kept or tempfile.TemporaryDirectory(prefix="ledger-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for kind in asked.database:
            measured(out, kind, folder, asked)
        if "latency" in asked.only:
            latency(out, folder, asked.seconds)


if __name__ == "__main__":
    main()
