"""Looking through an audit on this machine: an export, a database, a proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.extras import need_extra
from tierwise_core.audit_chain import Checkpoint
from tierwise_core.audit_lines import AuditFormatError, key_id, read_proof, stream_export
from tierwise_core.audit_verify import Verification, verify
from tierwise_core.errors import TierwiseError

__all__ = [
    "check_proof",
    "checkpoints_in",
    "need_cryptography",
    "read_lines",
    "trusted_keys",
    "verify_database",
    "verify_lines",
]

KEY_DIGITS = 64


def trusted_keys(key: str | None) -> dict[str, str] | None:
    """Read the one key to trust; None where none was given."""
    if key is None:
        return None
    name = key.strip().lower()
    try:
        whole = len(name) == KEY_DIGITS and bytes.fromhex(name)
    except ValueError:
        whole = b""
    if not whole:
        raise UsageError(
            f"--key is {key[:KEY_DIGITS]!r}; give a public key of {KEY_DIGITS} hexadecimal digits",
            fix="the ledger shows its own at /v1/audit; keep it somewhere else",
        )
    return {key_id(name): name}


def need_cryptography(find: Callable[[str], object] = find_spec) -> None:
    """Say what to install where signatures cannot be checked."""
    if find("cryptography") is None:
        raise CliError(
            "signatures are checked by the package cryptography, which is not installed",
            fix="pip install cryptography",
        )


def _signature(keys: Mapping[str, str], *, must_be_signed: bool) -> Callable[[Checkpoint], str]:
    need_cryptography()
    from tierwise_ledger.auditing.signatures import signature_problem  # noqa: PLC0415 - see above

    return lambda one: signature_problem(one, keys, must_be_signed=must_be_signed)


def verify_lines(
    lines: Iterable[str], trusted: Mapping[str, str] | None, anchors: Sequence[Checkpoint]
) -> Verification:
    """Look through an export; only the ``trusted`` keys count, else those it brings."""
    with _as_written():
        keys, entries = stream_export(lines)
        look = _signature(keys if trusted is None else trusted, must_be_signed=trusted is not None)
        return verify(entries, look, anchors)


def verify_database(
    address: str, trusted: Mapping[str, str] | None, anchors: Sequence[Checkpoint]
) -> Verification:
    """Look through the audit of a database; not a byte of it changes."""
    need_extra("ledger", "looking through a database", ("sqlalchemy",))
    from tierwise_ledger.auditing.reading import verify_store  # noqa: PLC0415 - see above
    from tierwise_ledger.store import Store  # noqa: PLC0415

    try:
        store = Store.look_at(address)
        try:
            with store.read() as connection:
                return verify_store(connection, trusted, anchors)
        finally:
            store.close()
    except TierwiseError as error:
        raise CliError(
            str(error),
            fix="--database names one that a ledger has written: sqlite:////PATH/ledger.db; beside "
            "a copy of a running ledger's file its -wal has to lie as well",
        ) from error


@contextmanager
def _as_written() -> Iterator[None]:
    try:
        yield
    except AuditFormatError as error:
        raise CliError(
            f"the export is not as it was written: {error}",
            fix="export it anew, and compare the two",
        ) from error


def checkpoints_in(lines: Iterable[str]) -> tuple[Checkpoint, ...]:
    """Give the checkpoints of an export."""
    with _as_written():
        _, entries = stream_export(lines)
        return tuple(one for one in entries if isinstance(one, Checkpoint))


def read_lines(path: Path) -> Iterator[str]:
    """Read the lines of a file as they are."""
    # Every byte counts: what is no UTF-8 any more, or ends another way, must not be made right.
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        yield from file


def check_proof(said: Any, trusted: Mapping[str, str] | None) -> dict[str, Any]:
    """Check one proof; ``problem`` says what is wrong with it, empty where nothing is."""
    try:
        proof, keys = read_proof(said)
    except AuditFormatError as error:
        raise CliError(str(error)) from error
    record = proof.record
    problem = "" if proof.holds else "record and path do not lead to the checkpoint's root"
    look = _signature(keys if trusted is None else trusted, must_be_signed=True)
    return {
        "stream": record.stream,
        "seq": record.seq,
        "subject": record.subject,
        "body": record.body,
        "problem": problem or look(proof.checkpoint),
    }
