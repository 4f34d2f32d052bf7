"""An append-only chain of hashes: what was recorded, in which order, so that a change shows.

Every record holds the hash of the one before it, and its own hash covers its stream, its number,
that hash and its body. Whoever changes, drops, adds or moves a record would have to hash all that
follow anew. From time to time a checkpoint is signed over the chain's head: then not even that
helps, for whoever lacks the key.

There are several chains, called streams: decisions, feedback, rollouts, policies, keys and so on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tierwise_core.merkle import inclusion_path, merkle_root, root_from_path

__all__ = [
    "GENESIS",
    "ChainRecord",
    "Checkpoint",
    "Head",
    "Proof",
    "append",
    "canonical",
    "is_stream",
    "record_hash",
    "sealed",
]

GENESIS: Final = "0" * 64
"""What the first record of a stream has for the hash of the one before it."""

STREAM: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
RECORD_LABEL: Final = "tierwise audit record 1"
CHECKPOINT_LABEL: Final = "tierwise audit checkpoint 1"


def canonical(value: Any) -> str:
    """Write JSON in the one form that is hashed: keys sorted, no blanks, ASCII only.

    Raises ValueError for a number that JSON does not have, TypeError for what is no JSON.

    >>> canonical({"b": 1.50, "a": ["e", None]})
    '{"a":["e",null],"b":1.5}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def is_stream(name: str) -> bool:
    """Tell whether a stream may have this name: small letters, digits and dashes.

    >>> is_stream("decisions"), is_stream("Decisions!")
    (True, False)
    """
    return STREAM.fullmatch(name) is not None


def record_hash(stream: str, seq: int, previous: str, body: str) -> str:
    """Hash a record: SHA-256 over its label, stream, number, the hash before it, and its body.

    >>> record_hash("decisions", 0, GENESIS, "{}")[:16]
    '03e46eb34c1694df'
    """
    text = "\n".join((RECORD_LABEL, stream, str(seq), previous, body))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """One link of a stream's chain.

    ``seq`` counts from 0; ``body`` is canonical JSON with at least ``at`` (seconds since the
    epoch), ``kind`` and ``subject``, the name by which a person looks for it.
    """

    stream: str
    seq: int
    previous: str
    body: str
    hash: str

    @property
    def said(self) -> Mapping[str, Any]:
        """The body, read; empty where it is no JSON object any more."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def subject(self) -> str:
        """Whom or what it is about, such as a decision's id."""
        return str(self.said.get("subject", ""))

    @property
    def intact(self) -> bool:
        """Whether its hash is that of what it says."""
        return self.hash == record_hash(self.stream, self.seq, self.previous, self.body)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream ends: how many records it has, and the last one's hash."""

    stream: str
    count: int = 0
    hash: str = GENESIS


def append(head: Head, bodies: Iterable[str]) -> tuple[tuple[ChainRecord, ...], Head]:
    """Chain bodies to a stream; gives the new records and the new head.

    >>> records, head = append(Head("keys"), ['{"subject":"a"}', '{"subject":"b"}'])
    >>> [record.seq for record in records], head.count, records[1].previous == records[0].hash
    ([0, 1], 2, True)
    >>> records[1].subject, records[1].intact
    ('b', True)
    """
    records = []
    count, last = head.count, head.hash
    for body in bodies:
        own = record_hash(head.stream, count, last, body)
        records.append(ChainRecord(head.stream, count, last, body, own))
        count, last = count + 1, own
    return tuple(records), Head(head.stream, count, last)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement about the first ``count`` records of a stream, to be signed.

    ``head`` is the hash of the last of them; ``root`` the Merkle root of the hashes of those from
    ``since`` on, where the checkpoint before it ended. ``at`` is in seconds since the epoch.
    ``signature`` is Ed25519 over :attr:`message`, in hexadecimal, by the key that ``key_id`` names;
    both are empty where nobody signed.
    """

    stream: str
    since: int
    count: int
    head: str
    root: str
    at: float
    key_id: str = ""
    signature: str = ""

    @property
    def message(self) -> bytes:
        """The bytes that are signed: everything but the signature."""
        said = {
            "at": self.at,
            "count": self.count,
            "head": self.head,
            "key_id": self.key_id,
            "root": self.root,
            "since": self.since,
            "stream": self.stream,
        }
        return f"{CHECKPOINT_LABEL}\n{canonical(said)}".encode()


def sealed(stream: str, since: int, hashes: list[str], at: float, key_id: str = "") -> Checkpoint:
    """Make the unsigned checkpoint over a stream's records from ``since`` on, given their hashes.

    Raises ValueError where there are none: a checkpoint of nothing new says nothing.

    >>> records, _ = append(Head("keys"), ["{}", "{}", "{}"])
    >>> one = sealed("keys", 0, [record.hash for record in records], at=5.0)
    >>> one.count, one.head == records[2].hash
    (3, True)
    """
    if not hashes:
        raise ValueError(f"stream {stream}: nothing was recorded since record {since}")
    return Checkpoint(
        stream, since, since + len(hashes), hashes[-1], merkle_root(hashes), at, key_id
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """That one record is part of what a checkpoint was signed over, without the other records."""

    record: ChainRecord
    checkpoint: Checkpoint
    path: tuple[str, ...]

    @classmethod
    def of(cls, record: ChainRecord, checkpoint: Checkpoint, hashes: list[str]) -> Proof:
        """Prove a record of a checkpoint, given the hashes that the checkpoint covers.

        >>> records, _ = append(Head("keys"), ['{"at":1}', '{"at":2}', '{"at":3}'])
        >>> hashes = [record.hash for record in records]
        >>> proof = Proof.of(records[1], sealed("keys", 0, hashes, 5.0), hashes)
        >>> len(proof.path), proof.holds
        (2, True)
        """
        index = record.seq - checkpoint.since
        return cls(record, checkpoint, inclusion_path(hashes, index))

    @property
    def holds(self) -> bool:
        """Whether record and path lead to the checkpoint's root; its signature is not looked at."""
        record, checkpoint = self.record, self.checkpoint
        if record.stream != checkpoint.stream or not record.intact:
            return False
        index, size = record.seq - checkpoint.since, checkpoint.count - checkpoint.since
        if not 0 <= index < size:
            return False
        try:
            return root_from_path(record.hash, index, size, self.path) == checkpoint.root
        except ValueError:  # a path that is not hexadecimal
            return False
