"""What the ledger adds up of its rows, made of all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bulk_rows import NOW, SPAN_S

from tierwise_core.drift_signals import INPUT_SIGNALS, OUTPUT_SIGNALS
from tierwise_ledger.tables.judged import SUMS

__all__ = ["derived"]

LABELS = "tenant, field, specialist, revision, tier, latency_class, workload"
OF = "specialist, revision, field"
SIGNALS = (("field", INPUT_SIGNALS), ("specialist", OUTPUT_SIGNALS))

STATEMENTS = {
    "prices": """
INSERT INTO prices (tier, market, at_ms, gpu_hour_nano_usd, ops_hour_nano_usd, tdp_watts)
SELECT DISTINCT tier, 'on-demand', 0, 2000000000, 0, 700 FROM outcomes WHERE at < {early}
""",
    "replica_rates": """
INSERT INTO replica_rates (specialist, tier, at_ms, prefill_mtps, decode_mtps, gpus, measured)
SELECT DISTINCT specialist, tier, 0, 5000000, 800000, 1, {yes} FROM outcomes WHERE at < {early}
""",
    "capacity_spans": """
INSERT INTO capacity_spans (tier, holder, market, gpus, start_ms, end_ms, measured)
SELECT tier, specialist, 'on-demand', 2, {begin_ms}, {end_ms}, {yes} FROM replica_rates
""",
    "outcome_hours": """
INSERT INTO outcome_hours
SELECT {hour}, {labels}, state, count(*), sum(calls), sum(input_tokens), sum(cached_tokens),
  sum(output_tokens), sum(cost_nano_usd), CAST(sum(seconds * 1000) AS BIGINT), 0, 0, 0
FROM outcomes GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
""",
    "outcome_days": """
INSERT INTO outcome_days
SELECT hour - hour % 86400, {labels}, state, sum(requests), sum(calls), sum(input_tokens),
  sum(cached_tokens), sum(output_tokens), sum(cost_nano_usd), sum(milliseconds), 0, 0, 0
FROM outcome_hours GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
""",
    "call_hours": """
INSERT INTO call_hours
SELECT hour, specialist, revision, '', tier, tenant, field, workload, 'accept', sum(calls),
  sum(calls), sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(cost_nano_usd),
  sum(milliseconds)
FROM outcome_hours GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
""",
    "utility_hours": """
INSERT INTO utility_hours ({of}, begin, {sums}, cost_nano_usd)
SELECT {of}, begin - begin % 3600, {added}, sum(cost_nano_usd)
FROM utility_windows GROUP BY 1, 2, 3, 4
""",
    "utility_latency": """
INSERT INTO utility_latency ({of}, begin, measure, bin, count)
SELECT {of}, begin, 'duration', 20 + begin / 10 % 20, asked FROM utility_windows ORDER BY 1, 2, 3, 4
""",
    "utility_latency_hours": """
INSERT INTO utility_latency_hours
SELECT {of}, begin - begin % 3600, measure, bin, sum(count)
FROM utility_latency GROUP BY 1, 2, 3, 4, 5, 6
""",
    "claim_hours": "INSERT INTO claim_hours SELECT {of}, begin, asked FROM utility_hours",
    "signal_counts": """
INSERT INTO signal_counts
SELECT side, name, signals.column2, hour, bins.column1, 40 + (hour / 3600 + bins.column1) % 7
FROM (SELECT DISTINCT begin AS hour FROM claim_hours WHERE begin >= {late}) AS hours
CROSS JOIN (
  SELECT 'field' AS side, field AS name FROM claim_hours
  UNION SELECT 'specialist', specialist FROM claim_hours
) AS whose
JOIN (VALUES {signals}) AS signals ON signals.column1 = side
CROSS JOIN (VALUES {bins}) AS bins
""",
}


def derived(words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give each step's name and its statement; ``words`` are the database's own."""
    told = {
        **words,
        "labels": LABELS,
        "of": OF,
        "sums": ", ".join(SUMS),
        "added": ", ".join(f"sum({name})" for name in SUMS),
        "hour": "CAST(FLOOR(at / 3600) AS BIGINT) * 3600",
        "early": str(NOW - SPAN_S + 86400),
        "late": str(int(NOW) - 9 * 86400),
        "signals": ", ".join(f"('{side}', '{one}')" for side, some in SIGNALS for one in some),
        "bins": ", ".join(f"({number})" for number in range(12)),
        "begin_ms": str(int((NOW - SPAN_S) * 1000)),
        "end_ms": str(int(NOW * 1000)),
    }
    for name, statement in STATEMENTS.items():
        yield name, statement.format(**told)
