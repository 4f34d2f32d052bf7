"""Who is on which side of a rollout: each side's model, and the revisions its pods run or ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tierwise_core.model_wire import wire_model
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.order import Order
from tierwise_core.specialist import Specialist

__all__ = ["lineup"]

MOST_REVISIONS: Final = 64


def lineup(
    order: Order, state: GreenState, specialist: Specialist | None
) -> dict[str, dict[str, Any]]:
    """Return ``status.sides``; whatever was on a side stays on it.

    The ledger counts by revisions, so those whose pods are gone count on. Blue's model is the one
    that served when the rollout began: the way back, after a promotion too.

    >>> order = Order("ai", "v2", "u", 1, "ai/s", spec={"candidate": {"model": {"source": "b"}}},
    ...     status={"sides": {"blue": {"model": {"source": "a"}, "revisions": ["r1"]}}})
    >>> sides = lineup(order, GreenState(blue_revisions=("r3",), green_revisions=("r2",)), None)
    >>> sides["blue"]
    {'model': {'source': 'a'}, 'revisions': ['r1', 'r3']}
    >>> sides["green"]
    {'model': {'source': 'b'}, 'revisions': ['r2']}
    """
    known = order.status.get("sides") or {}
    blue, green = known.get("blue") or {}, known.get("green") or {}
    candidate = (order.spec.get("candidate") or {}).get("model") or _made(order)
    return {
        "blue": {
            "model": blue.get("model") or _served(specialist),
            "revisions": _with(blue, state.blue_revisions, green),
        },
        "green": {
            "model": candidate,
            "revisions": _with(green, state.green_revisions, blue),
        },
    }


def _made(order: Order) -> Mapping[str, Any]:
    """Return the model that a training made, once it has."""
    return {} if order.candidate is None else wire_model(order.candidate)


def _with(side: Mapping[str, Any], more: tuple[str, ...], other: Mapping[str, Any]) -> list[str]:
    """Return the revisions of a side, new ones added; none is ever on both."""
    taken = set(other.get("revisions") or ())
    fresh = [one for one in more if one not in taken]
    return list(dict.fromkeys((*(side.get("revisions") or ()), *fresh)))[:MOST_REVISIONS]


def _served(specialist: Specialist | None) -> Mapping[str, Any]:
    if specialist is None:
        return {}
    stable: Mapping[str, Any] = (specialist.status.get("stable") or {}).get("model") or {}
    if stable or specialist.model is None:
        return stable
    return wire_model(specialist.model)
