"""The key that signs checkpoints, and the public keys that the ledger has published (Ed25519)."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import Connection, select

from tierwise_core.audit_chain import Checkpoint
from tierwise_core.audit_lines import key_id
from tierwise_ledger.auditing.chain import note
from tierwise_ledger.errors import SettingsError
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.audit import AUDIT_KEYS
from tierwise_ledger.upsert import insert_new

__all__ = ["Signer", "published_keys"]

HEX_DIGITS: Final = 64
KEY_FILE: Final = "audit-key"
VARIABLE: Final = "TIERWISE_LEDGER_AUDIT_KEY_FILE"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs checkpoints with one private key."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, settings: Settings, store: Store) -> Signer | None:
        """Take the key of the settings, else one that lies beside the database's file.

        A ledger on SQLite makes that one when it is not there. On PostgreSQL there is no such
        place that all ledgers share: without a key in the settings nobody signs, and None is given.

        Raises SettingsError for a file that cannot be read or holds no key.
        """
        if settings.audit_key_file:
            return cls(_read_key(Path(settings.audit_key_file)))
        database = store.engine.url.database
        if not store.is_sqlite or not database or database == ":memory:":
            return None
        return cls(_read_key(_made(Path(database).with_name(KEY_FILE))))

    @property
    def public_key(self) -> str:
        """The public key as 64 hexadecimal digits."""
        return self.private.public_key().public_bytes_raw().hex()

    def sign(self, checkpoint: Checkpoint) -> Checkpoint:
        """Sign a checkpoint.

        >>> from tierwise_core.audit_chain import sealed
        >>> from tierwise_ledger.auditing.signatures import signature_problem
        >>> signer = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))
        >>> signed = signer.sign(sealed("keys", 0, ["ab" * 32], at=5.0))
        >>> signature_problem(signed, {signed.key_id: signer.public_key})
        ''
        """
        named = replace(checkpoint, key_id=key_id(self.public_key))
        return replace(named, signature=self.private.sign(named.message).hex())

    def publish(self, connection: Connection, now: float) -> None:
        """Put the public key where others find it; a new one is a change that the audit tells."""
        name = key_id(self.public_key)
        row = {"key_id": name, "public_key": self.public_key, "at": now}
        if insert_new(connection, AUDIT_KEYS, "key_id", [row]):
            note(connection, "keys", "audit-key-used", name, now, public_key=self.public_key)


def published_keys(connection: Connection) -> dict[str, str]:
    """Give all public keys by their names."""
    query = select(AUDIT_KEYS.c.key_id, AUDIT_KEYS.c.public_key).order_by(AUDIT_KEYS.c.at)
    return dict(connection.execute(query).tuples().all())


def _made(path: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of two that start together one makes it, and both read that one.
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(HEX_DIGITS // 2) + "\n")
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        said = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"{VARIABLE} is {str(path)!r}, which cannot be read ({error.strerror}); give a file "
            "with an Ed25519 key: PEM, or 64 hexadecimal digits"
        ) from error
    try:
        if len(said) == HEX_DIGITS:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(said.decode()))
        key = load_pem_private_key(said, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(
            f"{VARIABLE} is {str(path)!r}, which holds no Ed25519 key; give PEM (openssl genpkey "
            "-algorithm ed25519), or 64 hexadecimal digits (openssl rand -hex 32)"
        )
    return key
