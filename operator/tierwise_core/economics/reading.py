"""From what a YAML file holds to a frozen case, and from a report to JSON.

A file's names are the fields' in camelCase, with USD, GPU, LCPR and their like in capitals. Every
problem is found in one go, and each names its field, its value and what would be right.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from tierwise_core.errors import EconomicsError

__all__ = ["Bound", "Count", "Days", "Evidence", "Positive", "Rate", "Share", "Usd", "read", "told"]

CAPITALS: Final = {
    "usd": "USD", "gpu": "GPU", "gpus": "GPUs", "lcpr": "LCPR", "fte": "FTE", "ttft": "TTFT",
    "gb": "GB",
}  # fmt: skip
MOST: Final = 1e18
"""The largest number of a file, and one over it the smallest: beyond is no money, token or GPU."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a number has to be, the ends included; ``above`` is an end that is not."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf

    def holds(self, value: float) -> bool:
        """Tell whether a number is within."""
        return self.least <= value <= self.most and value > self.above

    def words(self) -> str:
        """Say it: ``at least 0 and at most 1``.

        >>> Bound(least=0, most=1).words()
        'at least 0 and at most 1'
        """
        ends = (("above", self.above), ("at least", self.least), ("at most", self.most))
        return " and ".join(f"{word} {end:g}" for word, end in ends if math.isfinite(end))


Usd = Annotated[float, Bound(least=0)]
Rate = Annotated[float, Bound(least=0)]
Days = Annotated[float, Bound(least=0)]
Share = Annotated[float, Bound(least=0, most=1)]
Positive = Annotated[float, Bound(above=0)]
Count = Annotated[int, Bound(least=1)]
Evidence = Literal["measured", "estimated"]
"""Measured figures come from traces of this workload, estimated ones from anywhere else."""

T = TypeVar("T")


def read(kind: type[T], value: object) -> T:
    """Read a case of the given kind.

    >>> @dataclass(frozen=True)
    ... class Lease:
    ...     usd_per_hour: Usd
    ...     gpus: Count = 1
    >>> read(Lease, {"usdPerHour": 3.2})
    Lease(usd_per_hour=3.2, gpus=1)
    >>> read(Lease, {"usdPerHour": -1})
    Traceback (most recent call last):
    tierwise_core.errors.EconomicsError: usdPerHour is -1; give a number of at least 0
    >>> read(Lease, {"usdPerHour": 1, "gpu": 2})
    Traceback (most recent call last):
    tierwise_core.errors.EconomicsError: gpu is no field of this; did you mean gpus?

    Raises EconomicsError with a line for each problem.
    """
    problems: list[str] = []
    found = _value(kind, value, "", problems)
    if problems:
        raise EconomicsError("\n".join(problems))
    return cast("T", found)


def told(value: Any) -> Any:
    """Give a report in JSON's types: what is infinite or unknown is null.

    >>> told(Bound(least=0))
    {'least': 0, 'most': None, 'above': None}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {name_in_file(one.name): told(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): told(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [told(one) for one in value]
    if isinstance(value, float):
        return round(value, 10) if math.isfinite(value) else None
    return value


def name_in_file(name: str) -> str:
    """Give a field's name as a file has it.

    >>> [name_in_file(name) for name in ("usd_per_gpu_hour", "least_usd", "gpus")]
    ['usdPerGPUHour', 'leastUSD', 'gpus']
    """
    first, *rest = name.split("_")
    return first + "".join(CAPITALS.get(word, word.capitalize()) for word in rest)


def _value(hint: Any, value: object, where: str, problems: list[str]) -> Any:
    """Read one value by its type; what is wrong goes to the problems, and the result is None."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _bounded(hint, value, where, problems)
    if origin in {Union, types.UnionType}:
        inner = next(one for one in get_args(hint) if one is not type(None))
        return None if value is None else _value(inner, value, where, problems)
    if origin is Literal:
        return _choice(get_args(hint), value, where, problems)
    if origin is not None:
        several = _items if origin is tuple else _entries
        return several(get_args(hint), value, where, problems)
    one = _case if is_dataclass(hint) else _plain
    return one(hint, value, where, problems)


def _plain(hint: Any, value: object, where: str, problems: list[str]) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and not _within(abs(cast("float", value))):
        return _wrong(
            where, value, f"give a number of at most {MOST:g}, and 0 for less than {1 / MOST:g}",
            problems,
        )  # fmt: skip
    if hint is float and number:
        return float(cast("float", value))
    if hint is int and number and float(cast("float", value)).is_integer():
        return int(cast("float", value))
    if hint in {str, bool} and isinstance(value, hint) and value != "":
        return value
    wanted = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
    return _wrong(where, value, f"give {wanted[hint]}", problems)


def _within(size: float) -> bool:
    """Tell whether sums, products and quotients stay numbers; not a number is not within."""
    return size == 0 or 1 / MOST <= size <= MOST


def _bounded(hint: Any, value: object, where: str, problems: list[str]) -> Any:
    kind, bound = get_args(hint)
    before = len(problems)
    found = _plain(kind, value, where, problems)
    if len(problems) == before and not bound.holds(found):
        what = "a whole number" if kind is int else "a number"
        return _wrong(where, value, f"give {what} of {bound.words()}".replace("of above", "above"),
                      problems)  # fmt: skip
    return found


def _choice(names: Sequence[str], value: object, where: str, problems: list[str]) -> Any:
    if value in names:
        return value
    return _wrong(where, value, f"give one of {', '.join(names)}", problems)


def _items(hints: Sequence[Any], value: object, where: str, problems: list[str]) -> Any:
    if not isinstance(value, (list, tuple)):
        return _wrong(where, value, "give a list", problems)
    found = [_value(hints[0], one, f"{where}[{at}]", problems) for at, one in enumerate(value)]
    return tuple(found)


def _entries(hints: Sequence[Any], value: object, where: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        return _wrong(where, value, "give names with values", problems)
    names, hint = hints
    if get_origin(names) is Literal:
        known = dict.fromkeys(get_args(names))
        problems += [_unknown(str(key), where, known) for key in value if key not in known]
    return {str(key): _value(hint, one, f"{where}.{key}", problems) for key, one in value.items()}


def _case(kind: type[Any], value: object, where: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        names = ", ".join(name_in_file(one.name) for one in fields(kind))
        return _wrong(where or "the file", value, f"give the fields {names}", problems)
    hints = get_type_hints(kind, include_extras=True)
    known = {name_in_file(one.name): one for one in fields(kind)}
    before = len(problems)
    problems += [_unknown(str(key), where, known) for key in value if key not in known]
    problems += [
        f"{_at(where, name)} is missing; give {_wanted(hints[one.name])}"
        for name, one in known.items()
        if name not in value and _required(one)
    ]
    given = {
        one.name: _value(hints[one.name], value[name], _at(where, name), problems)
        for name, one in known.items()
        if name in value
    }
    return _made(kind, given, where, problems) if len(problems) == before else None


def _made(kind: type[Any], given: dict[str, Any], where: str, problems: list[str]) -> Any:
    """Build it; what contradicts itself says so in its ``__post_init__``."""
    try:
        return kind(**given)
    except EconomicsError as error:
        problems.append(_at(where, str(error)))
        return None


def _required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _unknown(key: str, where: str, known: Mapping[str, object]) -> str:
    lower = {name.lower(): name for name in known}
    near = get_close_matches(key.lower(), list(lower), 1, 0.6)
    rest = f"did you mean {lower[near[0]]}?" if near else f"it has {', '.join(known)}"
    return f"{_at(where, key)} is no field of this; {rest}"


def _wanted(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is Annotated:
        kind, bound = get_args(hint)
        number = "a whole number" if kind is int else "a number"
        return f"{number} of {bound.words()}".replace("of above", "above")
    if origin is Literal:
        return f"one of {', '.join(get_args(hint))}"
    words = {tuple: "a list", float: "a number", int: "a whole number", str: "a text"}
    return words.get(origin or hint, "its fields")


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _wrong(where: str, value: object, right: str, problems: list[str]) -> None:
    shown = "empty" if value in (None, "") else repr(value)
    problems.append(f"{where} is {shown}; {right}")
