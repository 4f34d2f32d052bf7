"""Kubernetes quantities and Go durations as plain numbers.

A quantity is a number with an optional suffix: binary (Ki = 1024, Mi, Gi, Ti, Pi, Ei), decimal
(k = 1000, M, G, T, P, E, and m, u, n below one) or an exponent (``12e6``). The unit is the field's:
bytes for memory, a count for parameters.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tierwise_core.errors import InvalidSizeError

__all__ = ["format_bytes", "parse_duration", "parse_quantity"]

_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([A-Za-z]{0,2}|[eE][+-]?[0-9]{1,2})")
_BINARY = {f"{letter}i": Fraction(1024) ** (i + 1) for i, letter in enumerate("KMGTPE")}
_DECIMAL = {letter: Fraction(1000) ** (i + 1) for i, letter in enumerate("kMGTPE")}
_SMALL = {letter: Fraction(1, 1000) ** (i + 1) for i, letter in enumerate("mun")}
_SCALES = {"": Fraction(1)} | _BINARY | _DECIMAL | _SMALL

_DURATION = re.compile(r"(?:[0-9]{1,6}(?:\.[0-9]{1,3})?(?:ms|s|m|h))+")
_DURATION_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_quantity(value: int | str) -> int:
    """The whole number a Kubernetes quantity stands for, a fraction rounded up as Kubernetes does.

    Raises:
        InvalidSizeError: it is no quantity; the message says how to write one.

    >>> parse_quantity("24Gi"), parse_quantity("40G"), parse_quantity(123)
    (25769803776, 40000000000, 123)
    >>> parse_quantity("1.5Ki"), parse_quantity("2e3"), parse_quantity("100m")
    (1536, 2000, 1)
    >>> parse_quantity("24GB")
    Traceback (most recent call last):
    ...
    tierwise_core.errors.InvalidSizeError: "24GB" is not a quantity: write a number and a suffix \
such as 24Gi (binary) or 24G (decimal)
    """
    if isinstance(value, int):
        return value
    match = _NUMBER.fullmatch(value)
    scale = _scale(match[2]) if match else None
    if match is None or scale is None:
        raise InvalidSizeError(
            f'"{value}" is not a quantity: write a number and a suffix such as 24Gi (binary) '
            "or 24G (decimal)"
        )
    exact = Fraction(match[1]) * scale
    return -(-exact.numerator // exact.denominator)


def _scale(suffix: str) -> Fraction | None:
    """What the suffix multiplies by; ``E`` alone is exa, ``E`` with digits is an exponent."""
    if suffix in _SCALES:
        return _SCALES[suffix]
    if suffix[0] in "eE" and suffix[-1].isdigit():
        return Fraction(10) ** int(suffix[1:])
    return None


def format_bytes(size_bytes: float) -> str:
    """Bytes for people, in the largest binary unit that keeps the number at one or more.

    >>> format_bytes(24 * 2**30), format_bytes(1536), format_bytes(100), format_bytes(-2**31)
    ('24.0 GiB', '1.5 KiB', '100 B', '-2.0 GiB')
    """
    for suffix, scale in reversed(_BINARY.items()):
        if abs(size_bytes) >= scale:
            return f"{size_bytes / float(scale):.1f} {suffix}B"
    return f"{size_bytes:.0f} B"


def parse_duration(value: str) -> float:
    """The seconds of a Go duration made of hours, minutes, seconds and milliseconds.

    Raises:
        InvalidSizeError: it is no duration; the message says how to write one.

    >>> parse_duration("10m"), parse_duration("1h30m"), parse_duration("1.5s")
    (600.0, 5400.0, 1.5)
    >>> parse_duration("10 minutes")
    Traceback (most recent call last):
    ...
    tierwise_core.errors.InvalidSizeError: "10 minutes" is not a duration: write numbers with \
the units h, m, s or ms, such as 10m or 1h30m
    """
    if not _DURATION.fullmatch(value):
        raise InvalidSizeError(
            f'"{value}" is not a duration: write numbers with the units h, m, s or ms, '
            "such as 10m or 1h30m"
        )
    return sum(float(part[1]) * _SECONDS[part[2]] for part in _DURATION_PART.finditer(value))
