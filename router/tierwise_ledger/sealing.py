"""Sealing what people wrote: AES-256-GCM, with keys that have names and can be changed.

Keys are files of one directory, as Kubernetes mounts a Secret: the file's name is the key's, its
content 32 bytes as base64 or as 64 hex digits. The file ``current`` names the key to seal with;
without it that is the last by name, so that ``2026-11`` follows ``2026-10``. A key that is taken
away leaves what it sealed unreadable, for good.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tierwise_ledger.errors import SealError

__all__ = ["Keyring", "Sealed"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
CURRENT: Final = "current"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Sealed(NamedTuple):
    """What was sealed, the name of the key, and the nonce that is used once."""

    key: str
    nonce: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys by name, and which of them seals.

    >>> ring = Keyring({"one": bytes(32)}, "one")
    >>> sealed = ring.seal(b"what was asked", "d-1")
    >>> sealed.key, ring.open(sealed, "d-1")
    ('one', b'what was asked')
    >>> ring.open(sealed, "d-2")
    Traceback (most recent call last):
        ...
    tierwise_ledger.errors.SealError: the contents of 'd-2' are not what was sealed
    """

    keys: Mapping[str, bytes] = field(repr=False)
    current: str

    @classmethod
    def read(cls, directory: str | Path) -> Self:
        """Read the keys of a directory; raises SealError for none at all, or a wrong one."""
        path = Path(directory)
        try:
            names = sorted(one.name for one in path.iterdir() if NAME.fullmatch(one.name))
        except OSError as error:
            raise SealError(f"the keys in {str(path)!r} cannot be read: {error.strerror}") from None
        keys = {name: _key(path / name) for name in names if name != CURRENT}
        if not keys:
            raise SealError(f"there is no key in {str(path)!r}; put 32 random bytes there, as hex")
        chosen = path / CURRENT
        current = chosen.read_text().strip() if chosen.exists() else max(keys)
        if current not in keys:
            raise SealError(f"{chosen} names {current!r}, but the keys are {', '.join(keys)}")
        return cls(keys, current)

    def seal(self, data: bytes, about: str) -> Sealed:
        """Seal with the current key, bound to what it is ``about``."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, data, about.encode())
        return Sealed(self.current, nonce, sealed)

    def open(self, sealed: Sealed, about: str) -> bytes:
        """Open what was sealed about the same; raises SealError when it cannot be."""
        key = self.keys.get(sealed.key)
        if key is None:
            raise SealError(
                f"the contents of {about!r} are sealed with key {sealed.key!r}, which is not among "
                f"{', '.join(self.keys)}"
            )
        try:
            return AESGCM(key).decrypt(sealed.nonce, sealed.data, about.encode())
        except InvalidTag:
            raise SealError(f"the contents of {about!r} are not what was sealed") from None


def _key(path: Path) -> bytes:
    text = path.read_bytes().strip()
    for decode in (bytes.fromhex, _base64):
        try:
            key = decode(text.decode())
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise SealError(f"key {path.name!r} is not 32 bytes as base64 or as 64 hex digits")


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
