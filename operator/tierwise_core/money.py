"""Money in whole nano-USD, so that parts add up to the whole: no float is ever summed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

__all__ = ["NANO_PER_USD", "cents", "divide", "nano_usd", "scaled", "usd"]

NANO_PER_USD: Final = 1_000_000_000
CENT: Final = Decimal("0.01")


def nano_usd(amount_usd: float | str | Decimal) -> int:
    """Turn an amount as people write it into nano-USD; a float counts as what it prints.

    >>> nano_usd(0.1), nano_usd("2.50"), nano_usd(1e-9), nano_usd(4e-10)
    (100000000, 2500000000, 1, 0)

    Raises ValueError for what is no finite number.
    """
    amount = Decimal(str(amount_usd))
    if not amount.is_finite():
        raise ValueError(f"{amount_usd!r} is no amount of USD; give a finite number")
    return int((amount * NANO_PER_USD).to_integral_value(ROUND_HALF_UP))


def usd(nano: int) -> float:
    """Turn nano-USD into USD, to be shown.

    >>> usd(2_500_000_000)
    2.5
    """
    return nano / NANO_PER_USD


def cents(nano: int) -> Decimal:
    """Round to the cent, as a bill does.

    >>> cents(12_345_000_000), cents(-4_000_000)
    (Decimal('12.35'), Decimal('0.00'))
    """
    rounded = (Decimal(nano) / NANO_PER_USD).quantize(CENT, ROUND_HALF_UP)
    return rounded or abs(rounded)


def scaled(amount: int, numerator: int, denominator: int) -> int:
    """Multiply by a fraction of whole numbers, rounded half up; all of them 0 or more.

    Half an hour of an hour that costs 0.40 USD:

    >>> scaled(400_000_000, 1_800, 3_600)
    200000000
    """
    return (2 * amount * numerator + denominator) // (2 * denominator)


def divide(whole: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Share a whole by weights so that the shares add up to it exactly.

    Each gets its part rounded down; what is left goes, one each, to those with the largest
    remainders (Hamilton's method), the earlier first. Without any weight all share alike.

    >>> divide(100, [1, 1, 1])
    (34, 33, 33)
    >>> divide(7, [0, 0])
    (4, 3)
    >>> divide(0, [3, 4]), divide(5, [])
    ((0, 0), ())

    Raises ValueError for a negative whole or weight.
    """
    if whole < 0 or any(weight < 0 for weight in weights):
        raise ValueError(f"{whole} cannot be shared by {list(weights)}; give numbers of 0 or more")
    if not weights:
        return ()
    total = sum(weights)
    if not total:
        return divide(whole, [1] * len(weights))
    shares = [whole * weight // total for weight in weights]
    left = whole - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda at: -(whole * weights[at] % total))
    for at in by_remainder[:left]:
        shares[at] += 1
    return tuple(shares)
