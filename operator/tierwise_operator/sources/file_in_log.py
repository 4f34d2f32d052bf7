"""A file on its way through a pod's log: compressed, in lines, and with its hash beside it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from typing import Final

from tierwise_core.errors import SourceUnreadableError
from tierwise_operator.sources.single_file import LARGEST_SET

__all__ = ["opened", "sealed"]

LINE: Final = 4000


def sealed(content: bytes) -> tuple[str, str]:
    r"""Return the lines for the log, and the hash for the pod's last words.

    >>> lines, mark = sealed(b'{"question": "sort dbca"}\n')
    >>> opened(lines, mark)
    b'{"question": "sort dbca"}\n'
    """
    text = base64.b64encode(zlib.compress(content, 9)).decode()
    lines = (text[start : start + LINE] for start in range(0, len(text), LINE))
    return "\n".join(lines), _mark(content)


def opened(log: str, mark: str) -> bytes:
    """Return the file.

    Raises:
        SourceUnreadableError: the log does not have the file whose hash the pod told.
    """
    try:
        packed = base64.b64decode("".join(log.split()), validate=True)
        content = zlib.decompressobj().decompress(packed, LARGEST_SET)
    except (ValueError, zlib.error, binascii.Error):
        content = b""
    if _mark(content) != mark.strip():
        raise SourceUnreadableError(
            "spec.model.source: the log of the Job that reads the claim does not have the whole "
            "file; is weights.image of this version, and does the cluster keep logs? It is tried "
            "again",
            retryable=True,
        )
    return content


def _mark(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
