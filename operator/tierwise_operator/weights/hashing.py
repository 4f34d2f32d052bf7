"""Hashes of files, in the ways that sources promise them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

__all__ = ["BLOCK_BYTES", "Hashes", "sha256_of"]

BLOCK_BYTES: Final = 4 * 2**20


class Hashes:
    """The SHA-256 of a stream, and beside it the hash that its source promises.

    >>> hashes = Hashes("git-sha1", 3)
    >>> hashes.update(b"abc")
    >>> hashes.promised[:8], hashes.sha256[:8]
    ('f2ba8f84', 'ba7816bf')
    """

    def __init__(self, algorithm: str, size_bytes: int) -> None:
        self._own = hashlib.sha256()
        self._other: Any = None
        if algorithm == "git-sha1":
            self._other = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
        elif algorithm == "md5":
            self._other = hashlib.md5(usedforsecurity=False)

    def update(self, block: bytes) -> None:
        """Take the next bytes of the stream."""
        self._own.update(block)
        if self._other is not None:
            self._other.update(block)

    @property
    def sha256(self) -> str:
        """The SHA-256 so far, in hex."""
        return self._own.hexdigest()

    @property
    def promised(self) -> str:
        """The promised kind of hash so far, in hex."""
        return str((self._own if self._other is None else self._other).hexdigest())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
