"""What it takes to tolerate f wrong answers: nodes, latency, money.

``latency = rounds * delta + nodes * sign + verify``; PBFT takes 3 rounds, HotStuff 2, a vote 1.
Byzantine protocols need 3f+1 nodes of which 2f+1 agree, a majority 2f+1 of which f+1 do.

001 prices three failures at $320 to $500 an hour in its text and at $400 to $600 in its table, with
the yearly sums that belong to each; both are reproduced, and neither is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tierwise_core.economics.reading import Count, Positive, Rate, Usd

__all__ = ["ConsensusCase", "ConsensusReport", "Setting", "consensus", "consensus_seconds"]

HOURS_PER_YEAR: Final = 8760
Protocol = Literal["PBFT", "HotStuff", "Majority"]
ROUNDS: Final[dict[Protocol, int]] = {"PBFT": 3, "HotStuff": 2, "Majority": 1}
Fit = Literal["interactive", "borderline", "too slow"]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the nodes stand and what they do; the milliseconds are of one message and one node."""

    name: str
    faults: Count
    delta_ms: Rate
    protocol: Protocol = "HotStuff"
    inference_ms: Rate = 0.0
    orchestration_ms: Rate = 0.0
    usd_per_node_hour: Usd = 0.0
    capital_usd: Usd = 0.0
    operations_usd_per_year: Usd = 0.0


@dataclass(frozen=True, slots=True)
class ConsensusCase:
    """Settings to compare.

    Up to ``interactive_ms`` nobody notices; up to ``borderline_ms`` people bear it (001: a chat
    answers within two seconds).
    """

    settings: tuple[Setting, ...]
    sign_ms: Rate = 0.5
    verify_ms: Rate = 1.0
    interactive_ms: Positive = 500.0
    borderline_ms: Positive = 2000.0


@dataclass(frozen=True, slots=True)
class ConsensusRow:
    """One setting's figures; ``times_one`` is the calls for each answer beside one model's."""

    name: str
    protocol: Protocol
    faults: int
    nodes: int
    quorum: int
    consensus_ms: float
    total_ms: float
    fit: Fit
    usd_per_hour: float
    usd_per_year: float
    three_years_usd: float
    times_one: int


@dataclass(frozen=True, slots=True)
class ConsensusReport:
    """A row for each setting."""

    rows: tuple[ConsensusRow, ...]
    notes: tuple[str, ...]


def nodes_needed(faults: int, protocol: Protocol) -> tuple[int, int]:
    """Return the nodes and how many of them have to agree.

    >>> nodes_needed(1, "PBFT"), nodes_needed(3, "HotStuff"), nodes_needed(1, "Majority")
    ((4, 3), (10, 7), (3, 2))
    """
    if protocol == "Majority":
        return 2 * faults + 1, faults + 1
    return 3 * faults + 1, 2 * faults + 1


def consensus_seconds(
    protocol: Protocol, faults: int, delta_s: float, sign_s: float = 0.0005, verify_s: float = 0.001
) -> float:
    """Return how long agreeing takes, without the answers themselves.

    In one data centre, between two and around the world, each by PBFT and HotStuff:

    >>> for faults, delta_s in ((1, 0.002), (2, 0.030), (3, 0.100)):
    ...     [round(consensus_seconds(way, faults, delta_s), 6) for way in ("PBFT", "HotStuff")]
    [0.009, 0.007]
    [0.0945, 0.0645]
    [0.306, 0.206]
    """
    nodes, _ = nodes_needed(faults, protocol)
    return ROUNDS[protocol] * delta_s + nodes * sign_s + verify_s


def consensus(case: ConsensusCase) -> ConsensusReport:
    """Give each setting's nodes, latency and cost.

    >>> fast = Setting("same data centre", 1, 2.0, inference_ms=50, orchestration_ms=10,
    ...                usd_per_node_hour=12.0)
    >>> (row,) = consensus(ConsensusCase((fast,))).rows
    >>> row.nodes, row.total_ms, row.fit, row.usd_per_hour, row.usd_per_year
    (4, 67.0, 'interactive', 48.0, 420480.0)
    """
    rows = tuple(_row(case, setting) for setting in case.settings)
    return ConsensusReport(rows, tuple(note for row in rows for note in _notes(row, case)))


def _row(case: ConsensusCase, setting: Setting) -> ConsensusRow:
    nodes, quorum = nodes_needed(setting.faults, setting.protocol)
    agreeing = 1000 * consensus_seconds(
        setting.protocol,
        setting.faults,
        setting.delta_ms / 1000,
        case.sign_ms / 1000,
        case.verify_ms / 1000,
    )
    total = setting.inference_ms + agreeing + setting.orchestration_ms
    per_hour = nodes * setting.usd_per_node_hour
    return ConsensusRow(
        name=setting.name,
        protocol=setting.protocol,
        faults=setting.faults,
        nodes=nodes,
        quorum=quorum,
        consensus_ms=round(agreeing, 6),
        total_ms=round(total, 6),
        fit=_fit(total, case),
        usd_per_hour=per_hour,
        usd_per_year=per_hour * HOURS_PER_YEAR + setting.operations_usd_per_year,
        three_years_usd=setting.capital_usd
        + 3 * (per_hour * HOURS_PER_YEAR + setting.operations_usd_per_year),
        times_one=nodes,
    )


def _fit(total_ms: float, case: ConsensusCase) -> Fit:
    if total_ms <= case.interactive_ms:
        return "interactive"
    return "borderline" if total_ms <= case.borderline_ms else "too slow"


def _notes(row: ConsensusRow, case: ConsensusCase) -> tuple[str, ...]:
    if row.fit != "too slow":
        return ()
    words = (
        f"{row.name}: {row.total_ms:g} ms is over {case.borderline_ms:g} ms; keep it for work "
        "that nobody waits for, or let one model answer and the others check later"
    )
    return (words,)
