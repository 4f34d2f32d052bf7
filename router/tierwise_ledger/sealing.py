"""Sealing what people wrote: AES-256-GCM, with keys that have names and can be changed.

Keys are files of one directory, as Kubernetes mounts a Secret (:mod:`tierwise_core.content_keys`).
A key that is taken away leaves what it sealed unreadable, for good.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tierwise_core.content_keys import ContentKeysError, read_keys
from tierwise_ledger.errors import SealError

__all__ = ["Keyring", "Sealed"]

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
            entries = {one.name: one.read_bytes() for one in path.iterdir() if one.is_file()}
            found = read_keys(entries, repr(str(path)))
        except OSError as error:
            raise SealError(f"the keys in {str(path)!r} cannot be read: {error.strerror}") from None
        except ContentKeysError as error:
            raise SealError(str(error)) from None
        return cls(found.keys, found.current)

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
