"""Long answers in pieces: a line by itself takes the event loop longer than it took to make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["in_pieces"]

PIECE_BYTES: Final = 64 * 1024


def in_pieces(lines: Iterable[bytes], size: int = PIECE_BYTES) -> Iterator[bytes]:
    r"""Put lines together to pieces of about ``size`` bytes; the first line goes at once.

    >>> list(in_pieces([b"a\n", b"b\n", b"c\n", b"d\n"], size=4))
    [b'a\n', b'b\nc\n', b'd\n']
    """
    waiting: list[bytes] = []
    held, least = 0, 1
    for line in lines:
        waiting.append(line)
        held += len(line)
        if held >= least:
            yield b"".join(waiting)
            waiting, held, least = [], 0, size
    if waiting:
        yield b"".join(waiting)
