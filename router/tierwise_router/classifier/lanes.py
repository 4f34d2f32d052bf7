"""Rows of numbers packed into whole numbers that can be added."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["HALF", "STEP", "Lanes"]

LANE_BITS: Final = 32
STEP: Final = 1 << 16
"""How many steps make 1: sums stay below 32,768 and are off by less than a thousandth."""

HALF: Final = 1 << (LANE_BITS - 1)


class Lanes:
    """Packs rows, 32 bits a number, and unpacks a sum of rows.

    >>> lanes = Lanes(3)
    >>> lanes.unpack(lanes.pack([1.0, -2.5, 0.0]) + lanes.pack([0.5, 1.0, -0.25]))
    [1.5, -1.5, -0.25]
    """

    def __init__(self, count: int) -> None:
        layout = Struct(f"<{count}I")
        self.size: Final = layout.size
        self._pack = layout.pack
        self._unpack = layout.unpack
        self._shift = sum(HALF << (LANE_BITS * lane) for lane in range(count))

    def pack(self, row: Sequence[float]) -> int:
        """Pack one row."""
        steps = [min(max(round(value * STEP) + HALF, 0), 2 * HALF - 1) for value in row]
        return int.from_bytes(self._pack(*steps), "little") - self._shift

    def pack_all(self, rows: NDArray[np.float64]) -> list[int]:
        """Pack many rows."""
        steps = np.rint(rows * STEP).clip(-HALF, HALF - 1) + HALF
        packed = steps.astype("<u4").tobytes()
        size = self.size
        return [
            int.from_bytes(packed[start : start + size], "little") - self._shift
            for start in range(0, len(packed), size)
        ]

    def biased(self, total: int) -> tuple[int, ...]:
        """Unpack a sum into steps, each with HALF on top; the quick way."""
        return self._unpack((total + self._shift).to_bytes(self.size, "little"))

    def unpack(self, total: int) -> list[float]:
        """Unpack a sum."""
        return [(steps - HALF) / STEP for steps in self.biased(total)]
