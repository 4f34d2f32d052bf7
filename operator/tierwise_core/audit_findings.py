"""What may be wrong with an audit, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tierwise_core.audit_chain import ChainRecord

__all__ = ["Finding", "What", "changed_words", "first_findings", "missing_words"]

What = Literal["changed", "dropped", "reordered", "checkpoint"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: where, what kind of wrong, and in words.

    ``seq`` is the record's number in its stream, or the count of a checkpoint; ``subject`` what the
    record is about, where it still says so.
    """

    stream: str
    seq: int
    what: What
    message: str
    subject: str = ""


def changed_words(record: ChainRecord) -> str:
    """Say that a record does not say any more what was recorded."""
    named = f" ({record.subject})" if record.subject else ""
    return f"record {record.seq}{named} was changed: its hash is not that of what it says"


def missing_words(first: int, last: int) -> str:
    """Say which records are missing.

    >>> missing_words(5, 5)
    'record 5 is missing between record 4 and record 6'
    """
    if first == 0:
        which = "record 0 is" if last == 0 else f"records 0 to {last} are"
        return f"{which} missing: the first that is there is record {last + 1}"
    which = f"record {first} is" if first == last else f"records {first} to {last} are"
    return f"{which} missing between record {first - 1} and record {last + 1}"


def first_findings(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give the first finding of each stream.

    >>> both = (Finding("keys", 3, "changed", ""), Finding("keys", 4, "changed", ""))
    >>> [one.seq for one in first_findings(both)]
    [3]
    """
    seen: set[str] = set()
    for finding in findings:
        if finding.stream not in seen:
            seen.add(finding.stream)
            yield finding
