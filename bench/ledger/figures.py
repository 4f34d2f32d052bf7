"""The figures in docs/ledger.md: of each kind of question the slowest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from clocks import Took

__all__ = ["record", "table"]

PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"
HEAD = "| | questions | the slowest | processor | best by the clock |"
END = "<!-- end of figures -->"
KINDS = (
    ("lists", ("the newest", "all answers", "a session", "one outcome")),
    ("sums", ("sums", "status")),
    ("cost", ("cost",)),
    ("windows and latency", ("windows", "judged", "latency")),
    ("rollouts, claims, drift, refit", ("both sides", "contradiction", "questions", "who claimed",
                                        "drift", "refit of one")),
    ("refit of all, exports", ("refit of all", "export")),
    ("the page", ("page",)),
    ("audit", ("audit",)),
)  # fmt: skip


def table(took: Sequence[Took]) -> str:
    """Write a table of the slowest of each kind, by processor time.

    >>> print(table([Took("sums of a day", 5.0, 9.0, 4.2), Took("status", 1.0, 1.0, 1.0)]))
    | | questions | the slowest | processor | best by the clock |
    |---|---|---|---|---|
    | sums | 2 | sums of a day | 4 ms | 5 ms |
    """
    lines = [
        "| | questions | the slowest | processor | best by the clock |",
        "|---|---|---|---|---|",
    ]
    for kind, begins in KINDS:
        those = [one for one in took if one.name.startswith(begins)]
        if those:
            one = max(those, key=lambda each: each.cpu_ms)
            lines.append(
                f"| {kind} | {len(those)} | {one.name.removeprefix('page: ')} | {one.cpu_ms:,.0f} "
                f"ms | {one.wall_ms:,.0f} ms |"
            )
    return "\n".join(lines)


def record(database: str, rows: int, took: Sequence[Took]) -> None:
    """Write the table between the page's marks for a database."""
    start = f"<!-- figures of {database}: made by make bench-ledger RECORD=yes -->"
    before, found, rest = PAGE.read_text().partition(start)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise SystemExit(f"{PAGE} has no lines {start!r} and {END!r} to write figures between")
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    busy = f"{os.getloadavg()[1]:.0f} programs wanted its {os.cpu_count()} cores"
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    text = f"{names[database]}, {rows:,} outcomes of 90 days, {date}; {busy}:\n\n{table(took)}"
    PAGE.write_text(f"{before}{start}\n{text}\n{END}{after}")
