"""What goes wrong between a model's source and this machine's disk.

::

    FetchError
    ├── CacheFullError   no room, even after everything unused has left
    ├── CorruptError     what arrives is not what its source promises
    └── DirectoryError   the directory cannot be written, or is somebody else's
"""

from __future__ import annotations

import errno
from pathlib import Path

from tierwise_core.errors import TierwiseError

__all__ = ["CacheFullError", "CorruptError", "DirectoryError", "FetchError", "told_by_system"]


class FetchError(TierwiseError):
    """The files of a model could not be brought here."""

    reason = "FetchFailed"


class CacheFullError(FetchError):
    """The message says what is needed, what is there and what holds it."""

    reason = "CacheFull"
    retryable = True


class CorruptError(FetchError):
    """A file was fetched twice and has another hash than its source promises."""

    reason = "CacheCorrupt"


class DirectoryError(FetchError):
    """The target or the cache cannot be written, or holds files that are not ours."""

    reason = "CacheUnusable"


def told_by_system(error: OSError, path: Path) -> FetchError:
    """What the operating system says, as one of ours."""
    where = error.filename or path
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return CacheFullError(
            f"the disk of {where} is full; give weights.cache a larger one, or lower "
            "weights.cache.maxBytes so that older models leave earlier"
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return DirectoryError(
            f"{where}: {error.strerror}; give a directory that the user of this process may write"
        )
    return DirectoryError(f"{where}: {error.strerror or error}")
