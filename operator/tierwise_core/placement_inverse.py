"""The inverse of a simplex basis, column by column, nearly all of whose entries are zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["Inverse", "change_key", "exchange"]

DUST: Final = 1e-12

Inverse = list[dict[int, float]]
"""By row of the program: the entries of its column that are not zero, by basic variable."""


def exchange(
    inverse: Inverse, leaving: int, change: Mapping[int, float]
) -> list[tuple[int, float]]:
    """Pivot on basic variable ``leaving``, where each basic variable gives way by ``change``.

    Returns the new entries of the leaving variable's row, by row of the program.

    >>> inverse = [{0: 1.0}, {1: 1.0}]
    >>> exchange(inverse, 0, {0: 2.0, 1: 1.0}), inverse
    ([(0, 0.5)], [{0: 0.5, 1: -0.5}, {1: 1.0}])
    """
    pivot = change[leaving]
    others = [(i, each) for i, each in change.items() if i != leaving]
    entries = []
    for row, column in enumerate(inverse):
        if leaving in column:
            value = column[leaving] / pivot
            column[leaving] = value
            entries.append((row, value))
            # Most of the time goes here; without a call it takes half of it.
            for i, factor in others:
                if i in column:
                    left = column[i] - factor * value
                    if left > DUST or left < -DUST:
                        column[i] = left
                    else:
                        del column[i]
                else:
                    left = factor * value
                    if left > DUST or left < -DUST:
                        column[i] = -left
    return entries


def change_key(inverse: Inverse, mine: Sequence[int], row: int) -> None:
    """Let the basic variable of ``row``, one of a group's own, and the group's key change places.

    >>> inverse = [{0: 1.0, 1: 2.0}, {1: 1.0}]
    >>> change_key(inverse, [0, 1], 0)
    >>> inverse
    [{0: -3.0, 1: 2.0}, {1: 1.0, 0: -1.0}]
    """
    for column in inverse:
        value = 0.0
        for i in mine:
            if i in column:
                value -= column[i]
        if value:
            column[row] = value
        elif row in column:
            del column[row]
