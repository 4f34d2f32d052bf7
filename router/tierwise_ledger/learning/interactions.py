"""Interactions: one row per Specialist that was asked, and the windows that they add up to.

What is said later of an answer changes its row, and its windows by the difference: adding whole
numbers up gives the same sums in whatever order words come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from tierwise_core.decision_record import DecisionRecord, StepRecord
from tierwise_core.windows import E4, Interaction, Window, interaction_of
from tierwise_ledger.learning.latency import latency_rows
from tierwise_ledger.tables.base import hour_of, nano_usd
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.judged import (
    INTERACTIONS,
    LATENCY_HOURS,
    WINDOW_HOURS,
    WINDOW_LATENCY,
    WINDOWS,
)
from tierwise_ledger.upsert import add_up
from tierwise_ledger.words import chunks

__all__ = ["GRID_S", "Changes", "Word", "field_of", "interaction_in", "last_words", "plain"]

GRID_S: Final = 10
AT_ONCE: Final = 500
MUTABLE: Final = ("accepted", "source", "compared", "contradicted")

Key = tuple[str, int]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """The last word on a decision's answer; ``corrected`` is the right one, where it was given."""

    accepted: bool
    corrected: str | None
    at: float


def last_words(connection: Connection, decisions: Iterable[str]) -> dict[str, Word]:
    """Find the last word on each of these decisions, by ``at`` and then by its name."""
    found: dict[str, Word] = {}
    columns = (FEEDBACK.c.decision, FEEDBACK.c.accepted, FEEDBACK.c.corrected, FEEDBACK.c.at)
    for names in chunks(decisions, AT_ONCE):
        query = select(*columns).where(FEEDBACK.c.decision.in_(names))
        for decision, *said in connection.execute(query.order_by(FEEDBACK.c.at, FEEDBACK.c.id)):
            found[decision] = Word(*said)
    return found


def plain(text: str) -> str:
    """Give a text that every database can hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def field_of(record: DecisionRecord, step: StepRecord) -> str:
    """Name the field that a step counts in: the one it was asked for, else the question's own."""
    return plain(step.own_field or record.field or "")


@dataclass(slots=True)
class Changes:
    """Interactions that are new or have changed; :meth:`write` brings the tables up to them."""

    connection: Connection
    new: dict[Key, Row] = field(default_factory=dict)
    known: dict[Key, Row] = field(default_factory=dict)
    before: dict[Key, Row] = field(default_factory=dict)
    costs: dict[Key, int] = field(default_factory=dict)
    latencies: list[Row] = field(default_factory=list)

    def add(self, record: DecisionRecord, word: Word | None) -> None:
        """Count the steps of a new decision."""
        said = word.accepted if word else None
        for position, step in enumerate(record.steps):
            one = interaction_of(record, position, feedback=said)
            if one is None:
                continue
            row = _row(record, position, one)
            self.new[record.id, position] = row
            self.costs[record.id, position] = nano_usd(step.cost_usd)
            if not step.failure:
                self.latencies.extend(latency_rows(row, step, GRID_S))

    def hear(self, words: Mapping[str, Word]) -> None:
        """Bring the answers of older decisions to the last word on them."""
        for names in chunks(sorted(words), AT_ONCE):
            query = select(INTERACTIONS).where(
                INTERACTIONS.c.decision.in_(names), INTERACTIONS.c.answered
            )
            for row in self.connection.execute(query).mappings():
                said = words[row["decision"]]
                self.change(self._known(dict(row)), accepted=said.accepted, source="feedback")

    def verify(self, said: Mapping[Key, bool]) -> None:
        """Let verifiers' later words count for answers of which nobody said anything."""
        self.load(said)
        for key, verified in said.items():
            row = self.new.get(key) or self.known.get(key)
            if row is not None and row["came"] and row["accepted"] is None:
                self.change(row, accepted=verified, source="verifier")

    def load(self, keys: Iterable[Key]) -> None:
        """Fetch rows that may change, unless they are here."""
        missing = {decision for decision, position in keys
                   if (decision, position) not in self.new
                   and (decision, position) not in self.known}  # fmt: skip
        for names in chunks(sorted(missing), AT_ONCE):
            query = select(INTERACTIONS).where(INTERACTIONS.c.decision.in_(names))
            for row in self.connection.execute(query).mappings():
                self._known(dict(row))

    def stand(self, key: Key, *, compared: bool, contradicted: bool) -> None:
        """Say how an answer stands among the others to its question."""
        row = self.new.get(key) or self.known.get(key)
        if row is not None:
            self.change(row, compared=compared, contradicted=contradicted)

    def change(self, row: Row, **values: Any) -> None:
        """Change a row."""
        row |= values

    def write(self) -> None:
        """Write rows and windows."""
        if self.new:
            self.connection.execute(insert(INTERACTIONS), list(self.new.values()))
        changed = [key for key, row in self.known.items() if row != self.before[key]]
        if changed:
            statement = (
                update(INTERACTIONS)
                .where(
                    INTERACTIONS.c.decision == bindparam("of"),
                    INTERACTIONS.c.position == bindparam("at_position"),
                )
                .values({name: bindparam(f"new_{name}") for name in MUTABLE})
            )
            self.connection.execute(statement, [_update(key, self.known[key]) for key in changed])
        self._add_up(changed)
        add_up(self.connection, WINDOW_LATENCY, _merged(self.latencies, ("count",)))
        by_hour = [{**row, "begin": hour_of(row["begin"])} for row in self.latencies]
        add_up(self.connection, LATENCY_HOURS, _merged(by_hour, ("count",)))

    def _known(self, row: Mapping[str, Any]) -> Row:
        key = (row["decision"], row["position"])
        if key not in self.known:
            self.known[key], self.before[key] = dict(row), dict(row)
        return self.known[key]

    def _add_up(self, changed: Sequence[Key]) -> None:
        differences = [
            (row, Window.of(interaction_in(row)), self.costs[key]) for key, row in self.new.items()
        ]
        for key in changed:
            before, after = (interaction_in(rows[key]) for rows in (self.before, self.known))
            differences.append((self.known[key], Window.of(after) - Window.of(before), 0))
        for table, size in ((WINDOWS, GRID_S), (WINDOW_HOURS, 0)):
            add_up(self.connection, table, _sums(differences, size))


def _row(record: DecisionRecord, position: int, one: Interaction) -> Row:
    step = record.steps[position]
    return {
        "decision": record.id,
        "position": position,
        "at": record.at,
        "specialist": plain(step.specialist),
        "revision": plain(step.revision),
        "field": field_of(record, step),
        "accepted": one.accepted,
        "source": one.source,
        "confidence_e4": round(min(max(one.confidence, 0.0), 1.0) * E4),
        "floor": step.floor,
        "came": not step.failure,
        "answered": position == len(record.steps) - 1 and bool(record.specialist),
        "escalated": one.escalated,
        "compared": False,
        "contradicted": False,
    }


def interaction_in(row: Mapping[str, Any]) -> Interaction:
    """Read what a row of ``interactions`` says."""
    return Interaction(
        row["accepted"],
        row["confidence_e4"] / E4,
        row["source"],
        escalated=row["escalated"],
        compared=row["compared"],
        contradicted=row["contradicted"],
    )


def _update(key: Key, row: Row) -> Row:
    values = {f"new_{name}": row[name] for name in MUTABLE}
    return {"of": key[0], "at_position": key[1], **values}


def _sums(differences: Iterable[tuple[Row, Window, int]], size: int) -> Iterator[Row]:
    """Add up by window; of a size of 0, by the hour."""
    sums: dict[tuple[str, str, str, int], tuple[Window, int]] = {}
    for row, window, cost in differences:
        begin = int(row["at"] // size) * size if size else hour_of(row["at"])
        key = (row["specialist"], row["revision"], row["field"], begin)
        so_far, spent = sums.get(key, (Window(), 0))
        sums[key] = (so_far + window, spent + cost)
    for (specialist, revision, of_field, begin), (window, cost) in sums.items():
        yield {
            "specialist": specialist, "revision": revision, "field": of_field, "begin": begin,
            **window.to_row(), "cost_nano_usd": cost,
        }  # fmt: skip


def _merged(rows: Iterable[Row], counted: tuple[str, ...]) -> Iterator[Row]:
    """Add up rows of the same key, since one statement may not touch a row twice."""
    sums: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(value for name, value in row.items() if name not in counted)
        if key in sums:
            for name in counted:
                sums[key][name] += row[name]
        else:
            sums[key] = dict(row)
    yield from sums.values()
