"""Rows of the large tables, made of a number by the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, insert
from taking import decision

from tierwise_ledger.money.fleet_view import read_view
from tierwise_ledger.money.looks import take_view
from tierwise_ledger.outcome_rows import packed
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.judged import INTERACTIONS, SUMS, WINDOWS
from tierwise_ledger.tables.learned import CLAIMS
from tierwise_ledger.tables.outcomes import OUTCOMES, RECORDS

__all__ = ["DAYS", "NOW", "SPAN_S", "look", "record_of", "records", "records_apart", "statements"]

NOW = 1_760_000_000.0
DAYS = 90
SPAN_S = DAYS * 86400.0
RECORDS_MADE = 10_000

PIECES: tuple[tuple[Table, str], ...] = (
    (OUTCOMES, """
INSERT INTO outcomes (id, at, received_at, skew_s, tenant, user_digest, session, field, query_id,
  endpoint, model, latency_class, workload, pattern, stream, state, status, reason, specialist,
  revision, adapter, tier, confidence, calls, input_tokens, cached_tokens, output_tokens,
  cost_nano_usd, seconds, corrected)
{series}
SELECT 'd-fill-one-' || {number}, {at}, {at}, 0,
  'demo/team-' || (n * 7919 % 50), CASE WHEN n % 40 = 0 THEN 'u-' || (n % 20011) ELSE '' END,
  's-' || (n % 50021), 'field-' || (n % 12), 'q-' || (n % 500009), '/chat/completions',
  CASE WHEN n % 40 = 1 THEN 'demo/specialist-' || (n % 24) ELSE 'auto' END,
  'realtime', 'realtime', '', {no},
  CASE WHEN n % 1000 = 0 THEN 'failed' WHEN n % 9 = 0 THEN 'escalated' ELSE 'accepted' END,
  200, '', 'demo/specialist-' || (n % 24), 'r' || (n % 24), '', 'tier-' || (n % 4), 0.9,
  1, 120, 0, 40, 20000 + n % 100, 0.25, {no}
FROM s
"""),
    (CALLS, """
INSERT INTO calls (outcome, position, at, specialist, revision, adapter, tier, pod, own_field,
  confidence, floor, verdict, failure, input_tokens, cached_tokens, output_tokens, cost_nano_usd,
  seconds)
{series}
SELECT 'd-fill-one-' || {number}, 0, {at}, 'demo/specialist-' || (n % 24), 'r' || (n % 24), '',
  'tier-' || (n % 4), 'pod-' || (n % 60), 'field-' || (n % 12), 0.9, 0.8, 'accept', '', 120, 0, 40,
  20000 + n % 100, 0.25
FROM s
"""),
    (INTERACTIONS, """
INSERT INTO interactions
{series}
SELECT 'd-fill-one-' || {number}, 0, {at}, 'demo/specialist-' || (n % 24), 'r' || (n % 24),
  'field-' || (n % 12), {yes},
  CASE WHEN n % 20 = 0 THEN 'feedback' WHEN n % 3 = 0 THEN 'verifier' ELSE 'gate' END,
  9000 + n % 900, 0.8, {yes}, {yes}, {no}, {yes}, CASE WHEN n % 25 = 0 THEN {yes} ELSE {no} END
FROM s
"""),
    (WINDOWS, """
INSERT INTO utility_windows (specialist, revision, field, begin, {sums})
{series}
SELECT 'demo/specialist-' || (n % 24), 'r' || (n % 24), 'field-' || (n % 12),
  CAST(FLOOR(({at}) / 10) AS BIGINT) * 10, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 9000, 81000000, 9000,
  0, 20000
FROM s WHERE true ON CONFLICT DO NOTHING
"""),
    (CLAIMS, """
INSERT INTO claims
{series}
SELECT 'd-fill-one-' || {number}, 0, 'demo/team-' || (n % 500009 % 50), 'q-' || (n % 500009), '',
  'a-' || (n % 25), 'demo/specialist-' || (n % 24), 'r' || (n % 24), 'field-' || (n % 12), 0.9,
  {at}, {yes}, NULL, {no}, '', 0, {yes}, CASE WHEN n % 25 = 0 THEN 'known' ELSE '' END
FROM s
"""),
)  # fmt: skip


def statements() -> Iterator[tuple[Table, str]]:
    """Give each large table with the statement that fills it from ``:a`` until before ``:b``."""
    sums = ", ".join(SUMS)
    for table, statement in PIECES:
        yield table, statement.replace("{sums}", f"{sums}, cost_nano_usd")


def records_apart(rows: int) -> int:
    """Tell which outcomes have their whole record: every so manyth."""
    return max(1, rows // RECORDS_MADE)


def record_of(number: int, rows: int) -> dict[str, Any]:
    """Give the whole record that a router would have written of an outcome."""
    at = NOW - SPAN_S + number * (SPAN_S / rows)
    return {**decision(number), "id": f"d-fill-one-{number:08d}", "at": at}


def records(connection: Connection, rows: int) -> None:
    """Keep some of the records."""
    told = [
        {"id": body["id"], "at": body["at"], "body": packed(body)}
        for body in (record_of(number, rows) for number in range(0, rows, records_apart(rows)))
    ]
    connection.execute(insert(RECORDS), told)


def look(connection: Connection) -> None:
    """Look at the fleet once, a minute ago: every Specialist holds two GPUs."""
    held = [
        {"tier": f"tier-{n % 4}", "holder": f"demo/specialist-{n}", "gpus": 2} for n in range(24)
    ]
    take_view(connection, read_view({"at": NOW - 60, "held": held}, NOW))
