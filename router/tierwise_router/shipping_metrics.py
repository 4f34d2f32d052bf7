"""What became of a pod's records on their way to the ledger, as Prometheus' metric families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tierwise_router.contents import Contents
from tierwise_router.journal import Journal
from tierwise_router.shipping_marks import Shipped, shipped_path, waiting_bytes
from tierwise_router.tally import Tally

__all__ = ["note_losses", "shipping_metrics"]


def note_losses(journal: Journal | None, contents: Contents, tally: Tally) -> None:
    """Take over what a dispatcher's journal counts, and those whose contents had no key."""
    tally.journal_lost["unsealed"] = contents.unsealed
    if journal is not None:
        tally.journal_lost["unwritten"] = journal.dropped
        tally.journal_lost["unshipped"] = journal.unshipped


def shipping_metrics(directory: Path | None, lost: Mapping[str, int]) -> Iterator[Metric]:
    """Yield what was lost of a journal, and where it is shipped how far that is."""
    family = CounterMetricFamily(
        "tierwise_router_journal_lost_records",
        "Records that are lost: unwritten (full disk), unshipped (no room to wait) or unsealed "
        "(contents to be kept, and no key).",
        labels=["reason"],
    )
    for reason in ("unwritten", "unshipped", "unsealed"):
        family.add_metric([reason], lost.get(reason, 0))
    yield family
    if directory is not None and shipped_path(directory).exists():
        yield from _shipped(directory, Shipped.read(directory))


def _shipped(directory: Path, shipped: Shipped) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "tierwise_router_ledger_records", "Records that the ledger took.", shipped.rows
    )
    yield CounterMetricFamily(
        "tierwise_router_ledger_rejected_records", "Records it refused.", shipped.rejected
    )
    yield CounterMetricFamily(
        "tierwise_router_ledger_skipped_bytes",
        "Bytes of records that are too long to be sent (32 MiB).",
        shipped.skipped_bytes,
    )
    yield CounterMetricFamily(
        "tierwise_router_ledger_failures", "Attempts to reach it in vain.", shipped.failures
    )
    yield GaugeMetricFamily(
        "tierwise_router_ledger_waiting_bytes",
        "Records in this pod that the ledger does not have yet.",
        waiting_bytes(directory, shipped),
    )
    yield GaugeMetricFamily(
        "tierwise_router_ledger_last_success_timestamp_seconds",
        "When it last took any, in seconds since the epoch.",
        shipped.at,
    )
