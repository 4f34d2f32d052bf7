"""Filling a ledger with millions of outcomes and all that they become, in the database itself."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Table, text

from tierwise_ledger.store import Store
from tierwise_ledger.tables.audit import AUDIT_RECORDS
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.judged import INTERACTIONS, WINDOWS
from tierwise_ledger.tables.learned import CLAIMS
from tierwise_ledger.tables.outcomes import OUTCOMES

__all__ = ["NOW", "fill"]

PIECE = 250_000
NOW = 1_760_000_000.0
DAYS = 90
SPAN_S = DAYS * 86400.0

SERIES = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT :a UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :b)",
    "postgresql": "WITH s(n) AS (SELECT generate_series(CAST(:a AS BIGINT), :b - 1))",
}
SUMS = """asked, judged, feedback, verifier, gate, failure, escalated, compared, contradicted,
  accepted, contradicted_judged, accepted_contradicted, confidence_e4, confidence_squared_e8,
  accepted_confidence_e4, contradicted_confidence_e4, cost_nano_usd"""
ADDED = ", ".join(f"sum({name.strip()})" for name in SUMS.split(","))

PIECES: tuple[tuple[Table, str], ...] = (
    (OUTCOMES, """
INSERT INTO outcomes (id, at, received_at, skew_s, tenant, user_digest, session, field, query_id,
  endpoint, model, latency_class, workload, pattern, stream, state, status, reason, specialist,
  revision, adapter, tier, confidence, calls, input_tokens, cached_tokens, output_tokens,
  cost_nano_usd, seconds, corrected)
{series}
SELECT 'd-fill-one-' || n, {at}, {at}, 0,
  'demo/team-' || (n * 7919 % 50), '', 's-' || (n % 50021), 'field-' || (n % 12),
  'q-' || (n % 500009), '/chat/completions', 'auto', 'realtime', 'realtime', '', {no},
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
SELECT 'd-fill-one-' || n, 0, {at}, 'demo/specialist-' || (n % 24), 'r' || (n % 24), '',
  'tier-' || (n % 4), 'pod-' || (n % 60), 'field-' || (n % 12), 0.9, 0.8, 'accept', '', 120, 0, 40,
  20000 + n % 100, 0.25
FROM s
"""),
    (INTERACTIONS, """
INSERT INTO interactions
{series}
SELECT 'd-fill-one-' || n, 0, {at}, 'demo/specialist-' || (n % 24), 'r' || (n % 24),
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
SELECT 'd-fill-one-' || n, 0, 'demo/team-' || (n % 500009 % 50), 'q-' || (n % 500009), '',
  'a-' || (n % 25), 'demo/specialist-' || (n % 24), 'r' || (n % 24), 'field-' || (n % 12), 0.9,
  {at}, {yes}, NULL, {no}, '', 0, {yes}, CASE WHEN n % 25 = 0 THEN 'known' ELSE '' END
FROM s
"""),
    (AUDIT_RECORDS, """
INSERT INTO audit_records (stream, seq, at, subject, previous, body, hash)
{series}
SELECT 'decisions', n, {at}, 'd-fill-one-' || n, 'p', '{{"kind": "decision"}}', 'h-' || n
FROM s
"""),
)  # fmt: skip

FLEET = (
    """
INSERT INTO prices (tier, market, at_ms, gpu_hour_nano_usd, ops_hour_nano_usd, tdp_watts)
SELECT DISTINCT tier, 'on-demand', 0, 2000000000, 0, 700 FROM outcomes
WHERE id LIKE 'd-fill-one-1%' AND at < {early}
""",
    """
INSERT INTO replica_rates (specialist, tier, at_ms, prefill_mtps, decode_mtps, gpus, measured)
SELECT DISTINCT specialist, tier, 0, 5000000, 800000, 1, {yes} FROM outcomes
WHERE id LIKE 'd-fill-one-1%' AND at < {early}
""",
    """
INSERT INTO capacity_spans (tier, holder, market, gpus, start_ms, end_ms, measured)
SELECT tier, specialist, 'on-demand', 2, {begin_ms}, {end_ms}, {yes} FROM replica_rates
""",
)

ROLLED_UP = (
    """
INSERT INTO outcome_hours
SELECT CAST(FLOOR(at / 3600) AS BIGINT) * 3600, tenant, field, specialist, revision, tier,
  latency_class, workload, state, count(*), sum(calls), sum(input_tokens), sum(cached_tokens),
  sum(output_tokens), sum(cost_nano_usd), CAST(sum(seconds * 1000) AS BIGINT), 0, 0, 0
FROM outcomes WHERE id LIKE 'd-fill-%' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
""",
    """
INSERT INTO outcome_days
SELECT CAST(FLOOR(hour / 86400.0) AS BIGINT) * 86400, tenant, field, specialist, revision, tier,
  latency_class, workload, state, sum(requests), sum(calls), sum(input_tokens),
  sum(cached_tokens), sum(output_tokens), sum(cost_nano_usd), sum(milliseconds), 0, 0, 0
FROM outcome_hours WHERE specialist LIKE 'demo/specialist-%' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
""",
    """
INSERT INTO call_hours
SELECT hour, specialist, revision, '', tier, tenant, field, workload, 'accept', sum(calls),
  sum(calls), sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(cost_nano_usd),
  sum(milliseconds)
FROM outcome_hours WHERE specialist LIKE 'demo/specialist-%' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
""",
    f"""
INSERT INTO utility_hours (specialist, revision, field, begin, {SUMS})
SELECT specialist, revision, field, CAST(FLOOR(begin / 3600.0) AS BIGINT) * 3600, {ADDED}
FROM utility_windows WHERE specialist LIKE 'demo/specialist-%' GROUP BY 1, 2, 3, 4
""",  # noqa: S608 - of our own names
    """
INSERT INTO utility_latency (specialist, revision, field, begin, measure, bin, count)
SELECT specialist, revision, field, begin, 'duration', 20 + begin / 10 % 20, asked
FROM utility_windows WHERE specialist LIKE 'demo/specialist-%'
""",
    """
INSERT INTO utility_latency_hours
SELECT specialist, revision, field, begin - begin % 3600, measure, bin, sum(count)
FROM utility_latency WHERE specialist LIKE 'demo/specialist-%' GROUP BY 1, 2, 3, 4, 5, 6
""",
    """
INSERT INTO claim_hours
SELECT specialist, revision, field, begin, asked FROM utility_hours
WHERE specialist LIKE 'demo/specialist-%'
""",
    """
INSERT INTO audit_streams (stream, count, hash, covered)
SELECT stream, count(*), 'h', count(*) FROM audit_records WHERE subject LIKE 'd-fill-%'
GROUP BY stream ON CONFLICT DO NOTHING
""",
    "ANALYZE",
)


def fill(out: Console, store: Store, rows: int) -> None:
    """Make the rows; indices are made again at the end of each table."""
    dialect = store.engine.dialect.name
    at = f"{NOW - SPAN_S} + n * {SPAN_S / rows}"
    words = {"no": "0", "yes": "1"} if dialect == "sqlite" else {"no": "false", "yes": "true"}
    indices = sum(len(table.indexes) for table, _ in PIECES)
    with Progress(console=out, transient=True) as progress:
        total = len(PIECES) * rows + (indices + len(FLEET) + len(ROLLED_UP)) * PIECE
        task = progress.add_task("filling", total=total)
        for table, statement in PIECES:
            for index in table.indexes:
                with store.begin() as connection:
                    index.drop(connection)
            told = statement.format(series=SERIES[dialect], at=at, sums=SUMS, **words)
            for begin in range(0, rows, PIECE):
                with store.begin() as connection:
                    until = min(begin + PIECE, rows)
                    connection.execute(text(told), {"a": begin, "b": until})
                progress.advance(task, PIECE)
            for index in table.indexes:
                with store.begin() as connection:
                    index.create(connection)
                progress.advance(task, PIECE)
        begin_ms, end_ms = int((NOW - SPAN_S) * 1000), int(NOW * 1000)
        early = NOW - SPAN_S * 0.99
        fleet = [
            one.format(begin_ms=begin_ms, end_ms=end_ms, early=early, **words) for one in FLEET
        ]
        for statement in (*fleet, *ROLLED_UP):
            with store.begin() as connection:
                connection.execute(text(statement))
            progress.advance(task, PIECE)
