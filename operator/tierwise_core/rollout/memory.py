"""A standing as plain JSON and back: what a status keeps, so that a restart goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, cast

from tierwise_core.rollout.cooldown import Watch
from tierwise_core.rollout.evidence import Baseline, Evidence, Purse
from tierwise_core.rollout.samples import SideSample
from tierwise_core.rollout.situation import Standing
from tierwise_core.rollout.stages import Stage

__all__ = ["recalled", "remembered"]

_PARTS: Final[Mapping[str, type[Any]]] = {
    "blue": SideSample,
    "green": SideSample,
    "waiting_blue": SideSample,
    "waiting_green": SideSample,
    "worse": Purse,
    "rejected": Purse,
    "contradicted": Purse,
    "not_worse": Purse,
    "not_better": Purse,
    "better": Purse,
    "baseline": Baseline,
    "evidence": Evidence,
    "watch": Watch,
    "stage": Stage,
    "before": Stage,
    "ends": Stage,
}
"""What a member is made of, by its name; the others are numbers and words."""


def remembered(standing: Standing) -> dict[str, Any]:
    """Give a standing in JSON's types.

    >>> remembered(Standing())["stage"], recalled(remembered(Standing())) == Standing()
    ('Pending', True)
    """
    return cast("dict[str, Any]", _told(standing))


def _told(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Stage):
        return value.value
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: _told(getattr(value, one.name)) for one in fields(value)}
    return value


def recalled(row: Mapping[str, Any]) -> Standing:
    """Read a standing back; what is missing, from an older version, has its default.

    Raises ValueError, which names the member, for what cannot be read.
    """
    return cast("Standing", _read(Standing, row, ""))


def _read(kind: type[Any], row: Any, path: str) -> Any:
    if not isinstance(row, Mapping):
        raise ValueError(f"{path or 'standing'} is {row!r}: it must be an object")  # noqa: TRY004
    known = {one.name for one in fields(kind)}
    return kind(**{name: _member(name, row[name], path) for name in known & set(row)})


def _member(name: str, value: Any, path: str) -> Any:
    where, kind = f"{path}.{name}".lstrip("."), _PARTS.get(name)
    if isinstance(value, list):
        return tuple(value)
    if value is None or kind is None:
        return value
    if kind is Stage:
        try:
            return Stage(value)
        except ValueError:
            raise ValueError(f"{where} is {value!r}: it must be a stage of a rollout") from None
    return _read(kind, value, where)
