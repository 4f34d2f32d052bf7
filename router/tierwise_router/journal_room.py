"""Making room in the journal: what the ledger has goes first, then the oldest."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tierwise_router.journal_files import oldest_first
from tierwise_router.shipping_marks import Shipped, shipped_path

__all__ = ["make_room"]


def make_room(directory: Path, max_bytes: int, needed_bytes: int) -> int:
    """Remove files until ``needed_bytes`` fit; tells how many lines went that nobody has shipped.

    Where nothing is ever shipped nobody waits for anything, and the answer is 0. Every process may
    take the oldest away; the one that finds it gone is content.
    """
    segments = oldest_first(directory)
    excess = sum(size for _, size in segments) + needed_bytes - max_bytes
    if excess <= 0:
        return 0
    ships = shipped_path(directory).exists()
    read = Shipped.read(directory).bytes_read if ships else {}
    lost = 0
    # Sorting keeps the order of age among those that are alike.
    for path, size in sorted(segments, key=lambda one: read.get(one[0].name, 0) < one[1]):
        if excess <= 0:
            break
        with contextlib.suppress(OSError):
            lost += _lines_after(path, read.get(path.name, 0)) if ships else 0
            path.unlink()
        excess -= size
    return lost


def _lines_after(path: Path, begin: int) -> int:
    with path.open("rb") as file:
        file.seek(begin)
        return sum(1 for line in file if line != b"\n")
