"""The fleet as somebody tells of it: tiers and prices, who holds what, rates, charges.

The ledger looks at its cluster by itself. Where there is none, any program may post the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, get_args

from tierwise_core.attribution import Rates
from tierwise_core.bill import Market, PriceChange
from tierwise_core.capacity import Held, Look, Unit, with_commitment
from tierwise_core.cost_report import Charge
from tierwise_core.money import nano_usd
from tierwise_ledger.errors import RequestError

__all__ = ["FleetView", "Seat", "read_view"]

MARKETS: Final = get_args(Market)
MILLI: Final = 1000
MOST: Final = 1e12


@dataclass(frozen=True, slots=True)
class Seat:
    """GPUs of a node that a pod holds, or nobody."""

    tier: str
    node: str
    holder: str
    gpus: int
    pod: str = ""


@dataclass(frozen=True, slots=True)
class FleetView:
    """One look with all that came with it; ``prices`` say what holds from this moment on."""

    look: Look
    prices: tuple[PriceChange, ...] = ()
    rates: Mapping[tuple[str, str], Rates] = field(default_factory=dict)
    charges: Mapping[str, Charge] = field(default_factory=dict)
    seats: tuple[Seat, ...] = ()


def read_view(body: Mapping[str, Any], now_s: float) -> FleetView:
    """Read what was posted; raises RequestError naming the field that is wrong.

    >>> view = read_view({"tiers": [{"name": "h100", "usdPerGPUHour": 3}],
    ...                   "held": [{"tier": "h100", "holder": "demo/large", "gpus": 2}]}, 1.5)
    >>> view.look.at_ms, [unit.holder for unit in view.look.held], len(view.prices)
    (1500, ['demo/large'], 1)
    >>> read_view({"held": [{"tier": "h100", "gpus": -1}]}, 0.0)
    Traceback (most recent call last):
        ...
    tierwise_ledger.errors.RequestError: held[0].gpus is -1; give a number of 0 or more
    """
    at_ms = round(_number(body, "at", "", now_s) * MILLI)
    tiers = _objects(body, "tiers")
    reserved: dict[str, int] = {}
    prices: list[PriceChange] = []
    for where, tier in tiers:
        prices += _prices(where, tier, at_ms)
        if isinstance(tier.get("reserved"), Mapping):
            gpus = _number(tier["reserved"], "gpus", f"{where}.reserved")
            reserved[_text(tier, "name", where)] = round(gpus)
    held = [_held(where, one) for where, one in _objects(body, "held")]
    look = Look(at_ms, with_commitment(_joined(held), reserved))
    rates = dict(_rate(where, one) for where, one in _objects(body, "rates"))
    charges = dict(_charge(where, one) for where, one in _objects(body, "charges"))
    return FleetView(look, tuple(prices), rates, charges)


def _prices(where: str, tier: Mapping[str, Any], at_ms: int) -> list[PriceChange]:
    name = _text(tier, "name", where)
    kwh = _optional(tier, "energyPerKWh", where)
    ops = _number(tier, "opsPerGPUHour", where, 0.0)
    watts = round(_number(tier, "tdpWatts", where, 0.0))
    found = [("on-demand", _number(tier, "usdPerGPUHour", where))]
    if (spot := _optional(tier, "spotUSDPerGPUHour", where)) is not None:
        found.append(("spot", spot))
    if isinstance(tier.get("reserved"), Mapping):
        found.append(("reserved", _number(tier["reserved"], "usdPerGPUHour", f"{where}.reserved")))
    return [
        PriceChange(
            name, at_ms, nano_usd(usd), market,  # type: ignore[arg-type]
            None if kwh is None else nano_usd(kwh), nano_usd(ops), watts,
        )
        for market, usd in found
    ]  # fmt: skip


def _held(where: str, one: Mapping[str, Any]) -> tuple[Unit, Held]:
    market = one.get("market", "on-demand")
    if market not in MARKETS:
        _wrong(f"{where}.market", market, f"one of {', '.join(MARKETS)}")
    watts = _optional(one, "watts", where)
    unit = Unit(_text(one, "tier", where), str(one.get("holder", "")), market)
    gpus = round(_number(one, "gpus", where))
    return unit, Held(gpus, None if watts is None else round(watts))


def _joined(held: Sequence[tuple[Unit, Held]]) -> list[tuple[Unit, Held]]:
    """Add up what is told of the same unit several times."""
    found: dict[Unit, Held] = {}
    for unit, part in held:
        before = found.get(unit)
        if before is not None:
            metered = before.watts is not None and part.watts is not None
            watts = (before.watts or 0) + (part.watts or 0) if metered else None
            part = Held(before.gpus + part.gpus, watts)  # noqa: PLW2901 - the sum so far
        found[unit] = part
    return list(found.items())


def _rate(where: str, one: Mapping[str, Any]) -> tuple[tuple[str, str], Rates]:
    rates = Rates(
        round(_number(one, "prefillTokensPerSecond", where) * MILLI),
        round(_number(one, "decodeTokensPerSecond", where) * MILLI),
        max(1, round(_number(one, "gpus", where, 1))),
        one.get("measured") is True,
    )
    return (_text(one, "specialist", where), _text(one, "tier", where)), rates


def _charge(where: str, one: Mapping[str, Any]) -> tuple[str, Charge]:
    charge = Charge(
        nano_usd(_number(one, "perAnswer", where, 0.0)),
        nano_usd(_number(one, "inputPerMillionTokens", where, 0.0)),
        nano_usd(_number(one, "outputPerMillionTokens", where, 0.0)),
    )
    return _text(one, "tenant", where), charge


def _objects(body: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    given = body.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        _wrong(name, given, "a list of objects")
    return [(f"{name}[{at}]", one) for at, one in enumerate(given)]


def _text(one: Mapping[str, Any], name: str, where: str) -> str:
    value = one.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        _wrong(f"{where}.{name}", value, "a name")
    return value


def _optional(one: Mapping[str, Any], name: str, where: str) -> float | None:
    return None if one.get(name) is None else _number(one, name, where)


def _number(one: Mapping[str, Any], name: str, where: str, default: float | None = None) -> float:
    value = one.get(name, default)
    path = f"{where}.{name}" if where else name
    if isinstance(value, bool) or not isinstance(value, int | float):
        _wrong(path, value, "a number of 0 or more")
    if not math.isfinite(value) or not 0 <= value <= MOST:
        _wrong(path, value, "a number of 0 or more")
    return value


def _wrong(path: str, value: object, right: str) -> NoReturn:
    raise RequestError(f"{path} is {value!r}; give {right}", field=path)
