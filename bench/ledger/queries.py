"""The service's queries over millions of outcomes, spread over ninety days."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Connection, text

from tierwise_ledger.reading import Choice, find_outcome, list_outcomes, summarise
from tierwise_ledger.store import Store
from tierwise_ledger.tables.outcomes import OUTCOMES

PIECE = 250_000
NOW = 1_760_000_000.0
DAYS = 90
SPAN_S = DAYS * 86400.0
TIMES = 3

SERIES = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT :a UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :b)",
    "postgresql": "WITH s(n) AS (SELECT generate_series(CAST(:a AS BIGINT), :b - 1))",
}
FILL = """
INSERT INTO outcomes (id, at, received_at, skew_s, tenant, user_digest, session, field, query_id,
  endpoint, model, latency_class, workload, pattern, stream, state, status, reason, specialist,
  revision, adapter, tier, confidence, calls, input_tokens, cached_tokens, output_tokens,
  cost_nano_usd, seconds, corrected)
{series}
SELECT 'd-fill-one-' || n, {begin} + n * {step}, {begin} + n * {step}, 0,
  'demo/team-' || (n * 7919 % 50), '', 's-' || (n % 50021), 'field-' || (n % 12),
  'q-' || (n % 500009), '/chat/completions', 'auto', 'realtime', 'realtime', '', {no},
  CASE WHEN n % 1000 = 0 THEN 'failed' WHEN n % 9 = 0 THEN 'escalated' ELSE 'accepted' END,
  200, '', 'demo/specialist-' || (n % 24), 'r' || (n % 24), '', 'tier-' || (n % 4), 0.9,
  1, 120, 0, 40, 20000 + n % 100, 0.25, {no}
FROM s
"""
SUM = """
INSERT INTO outcome_hours
SELECT CAST(FLOOR(at / 3600) AS BIGINT) * 3600, tenant, field, specialist, revision, tier,
  latency_class, workload, state, count(*), sum(calls), sum(input_tokens), sum(cached_tokens),
  sum(output_tokens), sum(cost_nano_usd), CAST(sum(seconds * 1000) AS BIGINT), 0, 0, 0
FROM outcomes WHERE id LIKE 'd-fill-%' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""

DAYS_OF_HOURS = """
INSERT INTO outcome_days
SELECT CAST(FLOOR(hour / 86400.0) AS BIGINT) * 86400, tenant, field, specialist, revision, tier,
  latency_class, workload, state, sum(requests), sum(calls), sum(input_tokens),
  sum(cached_tokens), sum(output_tokens), sum(cost_nano_usd), sum(milliseconds), 0, 0, 0
FROM outcome_hours WHERE specialist LIKE 'demo/specialist-%' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


def queries(out: Console, store: Store, rows: int) -> None:
    """Fill the tables, and print how long each query took at worst of a few times."""
    fill(out, store, rows)
    out.print(f"  queries over {rows:,} outcomes of {DAYS} days (the slowest of {TIMES}):")
    for name, query in QUESTIONS.items():
        slowest_s = 0.0
        for _ in range(TIMES):
            with store.read() as connection:
                began_at = time.perf_counter()
                query(connection)
                slowest_s = max(slowest_s, time.perf_counter() - began_at)
        out.print(f"    {name:<58} {1000 * slowest_s:8.1f} ms")


def fill(out: Console, store: Store, rows: int) -> None:
    """Make the rows in the database itself; indices are made again at the end."""
    dialect = store.engine.dialect.name
    step = SPAN_S / rows
    statement = FILL.format(
        series=SERIES[dialect], begin=NOW - SPAN_S, step=step,
        no="0" if dialect == "sqlite" else "false",
    )  # fmt: skip
    indices = [index for index in OUTCOMES.indexes if index.name]
    with store.begin() as connection:
        for index in indices:
            index.drop(connection)
    with Progress(console=out, transient=True) as progress:
        task = progress.add_task("filling", total=rows + len(indices) * PIECE + PIECE)
        for begin in range(0, rows, PIECE):
            with store.begin() as connection:
                until = min(begin + PIECE, rows)
                connection.execute(text(statement), {"a": begin, "b": until})
            progress.advance(task, PIECE)
        for index in indices:
            with store.begin() as connection:
                index.create(connection)
            progress.advance(task, PIECE)
        with store.begin() as connection:
            connection.execute(text(SUM))
        with store.begin() as connection:
            connection.execute(text(DAYS_OF_HOURS))
        with store.begin() as connection:
            connection.execute(text("ANALYZE"))


def _list(**filters: list[str]) -> Callable[[Connection], object]:
    return lambda connection: list_outcomes(connection, Choice(0, 9e9, filters), limit=50)


def _sum(days: float, *by: str) -> Callable[[Connection], object]:
    return lambda connection: summarise(connection, by, Choice(NOW - days * 86400, NOW + 1))


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "one outcome with its calls, words and record": lambda connection: find_outcome(
        connection, "d-fill-one-12345"
    ),
    "the newest 50": _list(),
    "the newest 50 of a tenant": _list(tenant=["demo/team-7"]),
    "the newest 50 of a Specialist": _list(specialist=["demo/specialist-3"]),
    "the newest 50 that failed": _list(state=["failed"]),
    "the newest 50 of a tenant that failed": _list(tenant=["demo/team-0"], state=["failed"]),
    "the newest 50 of nobody": _list(tenant=["demo/nobody"]),
    "all answers to one question": _list(query_id=["q-77"]),
    "a session": _list(session=["s-99"]),
    "sums of a day by Specialist": _sum(1, "specialist"),
    "sums of a day by hour and state": _sum(1, "hour", "state"),
    "sums of a week by tenant": _sum(7, "tenant"),
    "sums of 30 days by field": _sum(30, "field"),
}
