"""Looking through an audit for what was changed, dropped or moved, and naming it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tierwise_core.audit_chain import (
    GENESIS,
    ChainRecord,
    Checkpoint,
    Head,
    is_stream,
    record_hash,
)
from tierwise_core.audit_findings import Finding, What, changed_words, missing_words
from tierwise_core.merkle import merkle_root

__all__ = ["StreamCheck", "Verification", "VerifySignature", "verify"]

VerifySignature = Callable[[Checkpoint], str]
"""Looks at a checkpoint's signature: gives what is wrong with it, empty where nothing is."""

MOST_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look through an audit found; ``uncovered`` records are not yet below a checkpoint."""

    heads: tuple[Head, ...] = ()
    records: int = 0
    checkpoints: int = 0
    signed: int = 0
    uncovered: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify(
    entries: Iterable[ChainRecord | Checkpoint],
    signature: VerifySignature,
    anchors: Sequence[Checkpoint] = (),
) -> Verification:
    """Look through all streams, and name the first record of each that is not as it was recorded.

    Entries come stream by stream, in the order in which they are kept; a checkpoint anywhere behind
    the records it covers. ``anchors`` are checkpoints that were kept somewhere else: they find what
    was cut off together with its own checkpoint.

    >>> from tierwise_core.audit_chain import append
    >>> records, _ = append(Head("keys"), ['{"subject":"a"}', '{"subject":"b"}'])
    >>> verify(records, lambda checkpoint: "").intact
    True
    >>> verify(records[1:], lambda checkpoint: "").findings[0].message
    'record 0 is missing: the first that is there is record 1'
    """
    checks: dict[str, StreamCheck] = {}
    for entry in entries:
        check = checks.setdefault(entry.stream, StreamCheck(entry.stream, signature))
        check.take(entry)
    for anchor in anchors:
        check = checks.setdefault(anchor.stream, StreamCheck(anchor.stream, signature))
        check.hold_against(anchor)
    ended = [check.ended() for _, check in sorted(checks.items())]
    return Verification(
        tuple(check.head for check in ended),
        sum(check.records for check in ended),
        sum(check.checkpoints for check in ended),
        sum(check.signed for check in ended),
        sum(check.head.count - check.covered for check in ended if check.head.count),
        tuple(finding for check in ended for finding in check.findings),
    )


@dataclass(slots=True)
class StreamCheck:
    """The look through one stream, record by record; it holds no more than it needs."""

    stream: str
    signature: VerifySignature
    head: Head = field(init=False)
    records: int = 0
    checkpoints: int = 0
    signed: int = 0
    covered: int = 0
    findings: list[Finding] = field(default_factory=list)
    _leaves: list[str] = field(default_factory=list)
    _missing: list[tuple[int, int]] = field(default_factory=list)
    _suspects: list[ChainRecord] = field(default_factory=list)
    _pending: list[Checkpoint] = field(default_factory=list)
    _kept: dict[int, Checkpoint] = field(default_factory=dict)
    _rewritten: list[Checkpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.head = Head(self.stream)
        if not is_stream(self.stream):
            self._find(0, "changed", f"no stream is named {self.stream!r}")

    def take(self, entry: ChainRecord | Checkpoint) -> None:
        """Look at the next entry."""
        if isinstance(entry, ChainRecord):
            self._take_record(entry)
        else:
            self._take_checkpoint(entry)

    def hold_against(self, anchor: Checkpoint) -> None:
        """Compare the stream with a checkpoint that was kept somewhere else."""
        kept = self._kept.get(anchor.count)
        if wrong := self.signature(anchor):
            self._find(anchor.count, "checkpoint", f"the checkpoint kept elsewhere: {wrong}")
        elif self.head.count < anchor.count:
            self._cut_off(anchor, "a checkpoint kept elsewhere")
        elif kept is not None and (kept.head, kept.root) != (anchor.head, anchor.root):
            self._find(
                anchor.count,
                "changed",
                f"the checkpoint over {anchor.count} records is not the one kept elsewhere: some "
                "record up to there was rewritten with all that follow",
            )
        elif kept is None:
            self._find(
                anchor.count,
                "checkpoint",
                f"the checkpoint over {anchor.count} records, kept elsewhere, is not here",
            )

    def ended(self) -> StreamCheck:
        """Say what only the end tells: what never came, and what was moved."""
        for first, last in self._missing:
            self._find(first, "dropped", missing_words(first, last))
        for checkpoint in self._pending:
            self._cut_off(checkpoint, "a checkpoint")
        self._name_moved()
        for checkpoint in self._rewritten:
            self._name_range(checkpoint)
        self.findings.sort(key=lambda one: one.seq)
        del self.findings[MOST_FINDINGS:]
        return self

    def _take_record(self, record: ChainRecord) -> None:
        self.records += 1
        if not record.intact:
            self._suspects.append(record)
            self._find(record.seq, "changed", changed_words(record), record.subject)
        if record.seq < self.head.count:
            self._came_late(record)
            return
        if record.seq > self.head.count:
            self._missing.append((self.head.count, record.seq - 1))
            self._leaves.extend(GENESIS for _ in range(min(record.seq - self.head.count, 4096)))
        elif record.previous != self.head.hash:
            self._find_broken_link(record)
        self._leaves.append(record.hash)
        self.head = Head(self.stream, record.seq + 1, record.hash)

    def _find_broken_link(self, record: ChainRecord) -> None:
        before = record.seq - 1
        if before < 0:
            words = "record 0 follows another one: what was before it is gone"
        elif any(one.seq in {before, record.seq} for one in self._suspects):
            return  # it is named already
        else:
            words = (
                f"record {before} was replaced: record {record.seq} was chained to another one "
                f"(hash {record.previous[:12]}, here {self.head.hash[:12]})"
            )
        self._find(max(before, 0), "changed", words)

    def _came_late(self, record: ChainRecord) -> None:
        for at, (first, last) in enumerate(self._missing):
            if first <= record.seq <= last:
                rest = ((first, record.seq - 1), (record.seq + 1, last))
                self._missing[at : at + 1] = [one for one in rest if one[0] <= one[1]]
                break
        words = f"record {record.seq} stands behind record {self.head.count - 1}"
        self._find(record.seq, "reordered", words, record.subject)

    def _take_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.checkpoints += 1
        self._kept[checkpoint.count] = checkpoint
        wrong = self.signature(checkpoint)
        if wrong:
            self._find(checkpoint.count, "checkpoint", f"checkpoint {checkpoint.count}: {wrong}")
        self.signed += not wrong and bool(checkpoint.signature)
        if checkpoint.since != self.covered:
            self._find(
                checkpoint.count,
                "checkpoint",
                f"checkpoint {checkpoint.count} goes on from record {checkpoint.since}, the one "
                f"before it ended at {self.covered}: a checkpoint is missing or was moved",
            )
        if checkpoint.count > self.head.count:
            self._pending.append(checkpoint)
        else:
            self._compare(checkpoint)
        self.covered = max(self.covered, checkpoint.count)

    def _compare(self, checkpoint: Checkpoint) -> None:
        # Records below a checkpoint that is missing are passed over.
        begin = checkpoint.since - self.covered
        end = begin + checkpoint.count - checkpoint.since
        leaves, self._leaves = self._leaves[max(begin, 0) : end], self._leaves[max(end, 0) :]
        if begin >= 0 and not (
            leaves and leaves[-1] == checkpoint.head and _root_fits(leaves, checkpoint)
        ):
            self._rewritten.append(checkpoint)

    def _cut_off(self, checkpoint: Checkpoint, by: str) -> None:
        first = self.head.count
        self._find(
            first,
            "dropped",
            f"records {first} to {checkpoint.count - 1} are missing at the end: {by} covers "
            f"{checkpoint.count}",
        )

    def _name_range(self, checkpoint: Checkpoint) -> None:
        """Say in which part something was rewritten, where no record of it was named."""
        since, count = checkpoint.since, checkpoint.count
        if any(one.seq < count for one in self.findings):
            return
        self._find(
            since,
            "changed",
            f"some record of {since} to {count - 1} was rewritten with all that follow: the chain "
            f"is whole, but not what checkpoint {count} was made over",
        )

    def _name_moved(self) -> None:
        """A changed record that fits another's place was moved there."""
        some = self._suspects[:MOST_FINDINGS]
        for record in some:
            for other in some:
                if other.seq != record.seq and record.hash == record_hash(
                    self.stream, other.seq, record.previous, record.body
                ):
                    self._moved(record, other.seq)

    def _moved(self, record: ChainRecord, seq: int) -> None:
        words = f"record {seq} stands in the place of record {record.seq}"
        kept = [one for one in self.findings if (one.seq, one.what) != (record.seq, "changed")]
        kept.append(Finding(self.stream, record.seq, "reordered", words, record.subject))
        self.findings[:] = kept

    def _find(self, seq: int, what: What, message: str, subject: str = "") -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(self.stream, seq, what, message, subject))


def _root_fits(leaves: list[str], checkpoint: Checkpoint) -> bool:
    try:
        return merkle_root(leaves) == checkpoint.root
    except ValueError:  # a hash that is not hexadecimal
        return False
