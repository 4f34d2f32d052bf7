"""A standing as plain JSON and back: what a status keeps, so that a restart goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from tierwise_core.rollout.situation import Standing

__all__ = ["recalled", "remembered"]


def remembered(standing: Standing) -> dict[str, Any]:
    """Give a standing in JSON's types.

    >>> remembered(Standing())["stage"], recalled(remembered(Standing())) == Standing()
    ('Pending', True)
    """
    return cast("dict[str, Any]", _told(standing))


def _told(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_told(one) for one in value]
    if isinstance(value, StrEnum):
        return value.value
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: _told(getattr(value, one.name)) for one in fields(value)}
    return value


def recalled(row: Mapping[str, Any]) -> Standing:
    """Read a standing back; what is missing, from an older version, has its default.

    Raises ValueError, which names the member, for what cannot be read.
    """
    return cast("Standing", _read(Standing, row, "standing"))


@cache
def _members(kind: Any) -> dict[str, Any]:
    """Return what each member of a dataclass is made of."""
    return get_type_hints(kind)


def _read(kind: Any, value: Any, path: str) -> Any:
    if get_origin(kind) is UnionType:
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
        return None if value is None else _read(kind, value, path)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{path} is {value!r}: it must be a list")
        inside = get_args(kind)[0]
        return tuple(_read(inside, one, f"{path}[{at}]") for at, one in enumerate(value))
    if is_dataclass(kind):
        return _read_members(kind, value, path)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _read_word(kind, value, path)
    return value


def _read_members(kind: Any, row: Any, path: str) -> Any:
    if not isinstance(row, Mapping):
        raise ValueError(f"{path} is {row!r}: it must be an object")  # noqa: TRY004
    known = {name: made_of for name, made_of in _members(kind).items() if name in row}
    inside = path.removeprefix("standing").lstrip(".")
    read = {
        name: _read(made_of, row[name], f"{inside}.{name}".lstrip("."))
        for name, made_of in known.items()
    }
    return kind(**read)


def _read_word(kind: type[StrEnum], value: Any, path: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        words = ", ".join(one.value for one in kind)
        raise ValueError(f"{path} is {value!r}: it must be one of {words}") from None
