"""An export of the audit as lines of JSON: how it is written, and how strictly it is read.

The first line names the format and the keys, the last one counts what is between them. A line that
is not written in the one canonical form counts as changed, even if it means the same: so every byte
of an export is covered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

from tierwise_core.audit_chain import ChainRecord, Checkpoint, Proof, canonical
from tierwise_core.errors import TierwiseError

__all__ = [
    "FORMAT",
    "AuditFormatError",
    "Export",
    "export_lines",
    "key_id",
    "proof_json",
    "read_export",
    "read_proof",
    "stream_export",
]

FORMAT: Final = "tierwise-audit/1"
KEY: Final = re.compile(r"[0-9a-f]{64}")
SIGNATURE: Final = re.compile(r"(?:[0-9a-f]{128})?")


class AuditFormatError(TierwiseError):
    """A line of an export or a proof is not what was written; the message says which."""


def key_id(public_key: str) -> str:
    """Name a public key, given as 64 hexadecimal digits: the first 16 of its SHA-256.

    >>> key_id("00" * 32)
    '66687aadf862bd77'
    """
    return sha256(bytes.fromhex(public_key)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds, in its order; ``keys`` are public keys by their names."""

    keys: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[ChainRecord | Checkpoint, ...] = ()


def export_lines(
    keys: Mapping[str, str], entries: Iterable[ChainRecord | Checkpoint]
) -> Iterator[str]:
    """Write an export line by line, each with its end; entries stream by stream, in their order."""
    yield _line({"format": FORMAT, "keys": dict(keys)})
    count = 0
    for entry in entries:
        count += 1
        yield _line(_named(entry))
    yield _line({"end": count})


def read_export(lines: Iterable[str]) -> Export:
    """Read an export.

    Raises :class:`AuditFormatError`, with the number of the first line that is wrong.

    >>> lines = list(export_lines({}, (ChainRecord("keys", 0, "0" * 64, "{}", "f" * 64),)))
    >>> read_export(lines).entries[0].stream
    'keys'
    >>> read_export(lines[:-1])
    Traceback (most recent call last):
    tierwise_core.audit_lines.AuditFormatError: line 3: the export ends before its last line; \
export it again
    """
    keys, entries = stream_export(lines)
    return Export(keys, tuple(entries))


def stream_export(
    lines: Iterable[str],
) -> tuple[Mapping[str, str], Iterator[ChainRecord | Checkpoint]]:
    """Read an export's keys at once and its entries as they come: millions need no memory.

    Raises what :func:`read_export` does, where the entries are read.
    """
    rows = _rows(lines)
    return _keys(next(rows, None)), _entries(rows)


def _entries(rows: Iterable[Mapping[str, Any]]) -> Iterator[ChainRecord | Checkpoint]:
    count, number, ended = 0, 1, False
    for number, row in enumerate(rows, 2):
        if ended:
            raise AuditFormatError(f"line {number}: something follows the last line")
        if "end" in row:
            ended = row == {"end": count}
            if not ended:
                raise AuditFormatError(
                    f"line {number}: it counts {row['end']} entries, there are {count}"
                )
        else:
            count += 1
            yield _entry(row, f"line {number}")
    if not ended:
        raise AuditFormatError(
            f"line {number + 1}: the export ends before its last line; export it again"
        )


def proof_json(proof: Proof, keys: Mapping[str, str]) -> dict[str, Any]:
    """Write a proof as one JSON object, with the public key that it takes to check it."""
    name = proof.checkpoint.key_id
    return {
        "format": FORMAT,
        "keys": {name: keys[name]} if name in keys else {},
        "record": asdict(proof.record),
        "checkpoint": asdict(proof.checkpoint),
        "path": list(proof.path),
    }


def read_proof(said: Any) -> tuple[Proof, Mapping[str, str]]:
    """Read a proof and the keys it brings; raises :class:`AuditFormatError`."""
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise AuditFormatError(f"this is no proof: its format is not {FORMAT!r}")
    keys = _keys({"format": FORMAT, "keys": said.get("keys")})
    record = _entry({"record": said.get("record")}, "the proof")
    checkpoint = _entry({"checkpoint": said.get("checkpoint")}, "the proof")
    path = said.get("path")
    if not isinstance(path, list) or not all(isinstance(step, str) for step in path):
        raise AuditFormatError("the proof: its path is no list of hashes")
    assert isinstance(record, ChainRecord)  # noqa: S101 - by the key above
    assert isinstance(checkpoint, Checkpoint)  # noqa: S101
    return Proof(record, checkpoint, tuple(path)), keys


def _rows(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise AuditFormatError(f"line {number}: this is no JSON any more") from None
        if not isinstance(row, dict) or _canonical(row) != line:
            raise AuditFormatError(f"line {number}: it is not written as it was exported")
        yield row


def _canonical(row: Mapping[str, Any]) -> str | None:
    try:
        return _line(row)
    except ValueError:
        return None


def _line(row: Mapping[str, Any]) -> str:
    return canonical(row) + "\n"


def _named(entry: ChainRecord | Checkpoint) -> dict[str, Any]:
    # Not asdict, which copies each value: there are millions.
    said = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    return {"record" if isinstance(entry, ChainRecord) else "checkpoint": said}


def _keys(row: Mapping[str, Any] | None) -> Mapping[str, str]:
    if row is None or row.get("format") != FORMAT or set(row) != {"format", "keys"}:
        raise AuditFormatError(f"line 1: this is no export of the audit in format {FORMAT!r}")
    keys = row["keys"]
    if not isinstance(keys, dict):
        raise AuditFormatError("line 1: its keys are no map of names to keys")
    for name, key in keys.items():
        if not isinstance(key, str) or not KEY.fullmatch(key) or key_id(key) != name:
            raise AuditFormatError(f"line 1: the key {name} is not the one of that name")
    return keys


def _entry(row: Mapping[str, Any], where: str) -> ChainRecord | Checkpoint:
    for name, kind in (("record", ChainRecord), ("checkpoint", Checkpoint)):
        said = row.get(name)
        if set(row) == {name} and isinstance(said, dict) and _fits(kind, said):
            return kind(**said)
    raise AuditFormatError(f"{where}: it is neither a record nor a checkpoint")


def _fits(kind: type[Any], said: Mapping[str, Any]) -> bool:
    """Tell whether all values are there and of their types; a bool is no number here."""
    wanted = {"seq": int, "since": int, "count": int, "at": float}
    names = {name: wanted.get(name, str) for name in kind.__dataclass_fields__}
    if set(said) != set(names) or not all(type(said[name]) is names[name] for name in names):
        return False
    return SIGNATURE.fullmatch(said.get("signature", "")) is not None
