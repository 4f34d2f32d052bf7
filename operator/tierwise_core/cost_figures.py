"""The figures of a group of calls and requests, and what they come to per answer, token and hour.

Every ratio is None where there is nothing to divide by: zero accepted answers have no price each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Final, Literal, Self

from tierwise_core.attribution import NOTHING, Slice
from tierwise_core.money import usd

__all__ = ["Figures", "Mark"]

Mark = Literal["measured", "estimated"]

NS_PER_HOUR: Final = 3_600_000_000_000
JOULES_PER_WH: Final = 3_600


@dataclass(frozen=True, slots=True)
class Figures:
    """What a group took and what came of it.

    ``busy`` and ``idle`` are its parts of the fleet's bill, ``external_nano_usd`` what providers
    bill. ``requests`` are those that the group answered; ``accepted`` of them counts what was
    judged good, by the router or, afterwards, by people and verifiers; ``answered`` counts also
    what went out without a judgement. ``passed_on`` are calls whose answer was not
    taken. The ``estimated`` flags say which sources were guessed.
    """

    name: str
    busy: Slice = NOTHING
    idle: Slice = NOTHING
    external_nano_usd: int = 0
    calls: int = 0
    passed_on: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    answered: int = 0
    accepted: int = 0
    escalated: int = 0
    revenue_nano_usd: int = 0
    charged: bool = False
    estimated: bool = False
    energy_estimated: bool = False
    tokens_estimated: bool = False

    def __add__(self, other: Figures) -> Self:
        return type(self)(
            self.name,
            *(_joined(getattr(self, name), getattr(other, name)) for name in ADDED),
        )

    def to_row(self) -> list[Any]:
        """Tell it as a list of names and whole numbers, to be kept.

        >>> kept = Figures("a", Slice(1, 2, 3), calls=4, charged=True).to_row()
        >>> Figures.of(kept) == Figures("a", Slice(1, 2, 3), calls=4, charged=True)
        True
        """
        return list(astuple(self))

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Read what :meth:`to_row` told."""
        name, busy, idle, *rest = row
        return cls(name, Slice(*busy), Slice(*idle), *rest)

    @property
    def nano_usd(self) -> int:
        """All that it cost."""
        return self.busy.nano_usd + self.idle.nano_usd + self.external_nano_usd

    @property
    def gpu_hours(self) -> float:
        """GPU hours, busy and idle."""
        return (self.busy.gpu_ns + self.idle.gpu_ns) / NS_PER_HOUR

    @property
    def watt_hours(self) -> float:
        """Energy of the GPUs."""
        return (self.busy.joules + self.idle.joules) / JOULES_PER_WH

    @property
    def usd_per_accepted(self) -> float | None:
        """All that it cost, by accepted answers: failed, escalated and idle included.

        >>> Figures("a", external_nano_usd=3_000_000_000, accepted=4).usd_per_accepted
        0.75
        >>> Figures("a", external_nano_usd=3_000_000_000).usd_per_accepted is None
        True
        """
        return _ratio(usd(self.nano_usd), self.accepted)

    @property
    def usd_per_1k_tokens(self) -> float | None:
        """All that it cost, by a thousand tokens in and out."""
        return _ratio(usd(self.nano_usd) * 1000, self.input_tokens + self.output_tokens)

    def to_json(self) -> dict[str, Any]:
        """Tell it in JSON's types: figures, and which of them were measured."""
        return {"name": self.name, **self._figures(), "marks": self._marks()}

    def _figures(self) -> dict[str, Any]:
        hours, watt_hours = self.gpu_hours, self.watt_hours
        revenue = usd(self.revenue_nano_usd) if self.charged else None
        return {
            "nanoUSD": self.nano_usd,
            "usd": usd(self.nano_usd),
            "busyUSD": usd(self.busy.nano_usd),
            "idleUSD": usd(self.idle.nano_usd),
            "externalUSD": usd(self.external_nano_usd),
            "gpuHours": hours,
            "busyGPUHours": self.busy.gpu_ns / NS_PER_HOUR,
            "idleShare": _ratio(self.idle.gpu_ns, self.busy.gpu_ns + self.idle.gpu_ns),
            "calls": self.calls,
            "passedOn": self.passed_on,
            "passedOnRate": _ratio(self.passed_on, self.calls),
            "inputTokens": self.input_tokens,
            "cachedTokens": self.cached_tokens,
            "outputTokens": self.output_tokens,
            "requests": self.requests,
            "answered": self.answered,
            "accepted": self.accepted,
            "escalated": self.escalated,
            "escalationRate": _ratio(self.escalated, self.requests),
            "usdPer1kTokens": self.usd_per_1k_tokens,
            "usdPerAnswer": _ratio(usd(self.nano_usd), self.answered),
            "usdPerAccepted": self.usd_per_accepted,
            "queriesPerGPUHour": _ratio(self.requests, hours),
            "wattHours": watt_hours,
            "requestsPerWattHour": _ratio(self.requests, watt_hours),
            "revenueUSD": revenue,
            "revenuePerWattHour": None if revenue is None else _ratio(revenue, watt_hours),
        }

    def _marks(self) -> dict[str, Mark]:
        money, energy, tokens = (
            _mark(estimated=flag)
            for flag in (self.estimated, self.energy_estimated, self.tokens_estimated)
        )
        per_token = _mark(estimated=self.estimated or self.tokens_estimated)
        counted: Mark = "measured"
        return {
            **dict.fromkeys(("usd", "usdPerAnswer", "usdPerAccepted", "gpuHours"), money),
            **dict.fromkeys(("idleShare", "queriesPerGPUHour"), money),
            **dict.fromkeys(("requests", "accepted", "escalationRate", "passedOnRate"), counted),
            **dict.fromkeys(("wattHours", "requestsPerWattHour", "revenuePerWattHour"), energy),
            "tokens": tokens,
            "usdPer1kTokens": per_token,
            "revenueUSD": tokens,
        }


ADDED: Final = tuple(one.name for one in fields(Figures) if one.name != "name")


def _mark(*, estimated: bool) -> Mark:
    return "estimated" if estimated else "measured"


def _joined(mine: Any, other: Any) -> Any:
    return mine or other if isinstance(mine, bool) else mine + other


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
