"""What nobody asks every day, over millions of outcomes: the longest that anybody waits for it.

These change the ledger: they come after the questions, and a database that is kept is a little
smaller afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bulk_rows import DAYS, NOW, SPAN_S
from rich.console import Console
from sqlalchemy import Connection, event

from tierwise_core.audit_lines import export_lines, stream_export
from tierwise_core.audit_verify import verify
from tierwise_ledger.auditing.reading import entries, verify_store
from tierwise_ledger.erasing import erase_tenant, forget_old
from tierwise_ledger.learning.calibrating import calibrate
from tierwise_ledger.learning.exporting import Wanted, export_rows
from tierwise_ledger.service.asked import Span
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import DAY_S

__all__ = ["chores"]

ERASED_S = 9 * DAY_S
FORGOTTEN_S = DAY_S / 5


@dataclass(slots=True)
class Transactions:
    """How many there were, and how long the longest held whoever else wants to write."""

    count: int = 0
    longest_s: float = 0.0
    _began_at: float = 0.0

    def begin(self, _connection: Connection) -> None:
        """Note when one begins."""
        self._began_at = time.perf_counter()

    def commit(self, _connection: Connection) -> None:
        """Count one that ends."""
        self.count += 1
        self.longest_s = max(self.longest_s, time.perf_counter() - self._began_at)


@contextmanager
def transactions(store: Store) -> Iterator[Transactions]:
    """Count what is committed until the block ends."""
    told = Transactions()
    listeners: Sequence[tuple[str, Callable[[Connection], None]]] = (
        ("begin", told.begin),
        ("commit", told.commit),
    )
    for name, listener in listeners:
        event.listen(store.engine, name, listener)
    yield told
    for name, listener in listeners:
        event.remove(store.engine, name, listener)


def chores(out: Console, store: Store) -> None:
    """Do each once, and print how long it took and how long its longest transaction."""
    out.print(
        "  chores (once, by the clock; the transactions that write, and the longest of them):"
    )
    for name, chore in CHORES.items():
        with transactions(store) as told:
            began_at, cpu_at = time.perf_counter(), time.process_time()
            said = chore(store)
            took_s, cpu_s = time.perf_counter() - began_at, time.process_time() - cpu_at
        of_them = f", {told.count} transactions of {1000 * told.longest_s:.0f} ms at most"
        out.print(
            f"    {name:<44} {took_s:9.3f} s, {cpu_s:.1f} s of its own processor time"
            f"{of_them if told.count else ''}: {said}"
        )


def _verify(store: Store) -> str:
    with store.read() as connection:
        found = verify_store(connection)
    return (
        f"{found.records:,} records, {found.checkpoints} checkpoints, {len(found.findings)} wrong"
    )


def _verify_an_export(store: Store) -> str:
    """Do what ``tierwise audit verify`` and the ledger do, without the network between."""
    with store.read() as connection:
        _, exported = stream_export(export_lines({}, entries(connection)))
        found = verify(exported, lambda _checkpoint: "")
    return f"{found.records:,} records, {len(found.findings)} wrong"


def _nothing_kept(days: float, specialist: str | None) -> Callable[[Store], str]:
    def ask(store: Store) -> str:
        wanted = Wanted("dpo", Span(NOW - days * DAY_S, NOW), specialist)
        with store.read() as connection:
            rows = export_rows(connection, wanted, lambda *_given: {}, stored=True)
            return f"{len(list(rows))} rows"

    return ask


def _first_line(store: Store) -> str:
    with store.read() as connection:
        lines = export_lines({}, entries(connection))
        next(lines)
        return f"{len(next(lines))} characters"


def _calibrate(store: Store) -> str:
    calibrate(store, Settings(), NOW)
    return "all Specialists"


def _erase(store: Store) -> str:
    told = erase_tenant(store, "demo/team-7", NOW - SPAN_S + ERASED_S)
    return f"{told['outcomes']:,} outcomes"


def _forget(store: Store) -> str:
    forget_old(store, Settings(keep_days=DAYS), NOW + FORGOTTEN_S)
    return f"all that is older than {DAYS} days, {FORGOTTEN_S / 3600:.0f} hours of it"


CHORES: dict[str, Callable[[Store], str]] = {
    "an export of a month, of which no text is kept": _nothing_kept(30, None),
    "an export of one Specialist, the same": _nothing_kept(30, "demo/specialist-3"),
    "the first line of an export of the audit": _first_line,
    "the scheduled refit of everybody": _calibrate,
    "erasing a tenant": _erase,
    "forgetting what is too old": _forget,
    "audit verify, as the command does": _verify_an_export,
    "audit verify --database": _verify,
}
