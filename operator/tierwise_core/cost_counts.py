"""What is counted of calls and requests, and what of it counts as accepted."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final, Literal

from tierwise_core.attribution import Slice
from tierwise_core.cost_figures import Figures
from tierwise_core.money import scaled

__all__ = [
    "DIMENSIONS", "EXTERNAL", "JUDGED_GOOD", "JUDGES_GROUP", "SHADOWS_GROUP", "Calls", "Charge",
    "Dimension", "Labels", "Requests", "Tally",
]  # fmt: skip

Dimension = Literal["specialist", "tier", "tenant", "field", "workload"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("specialist", "tier", "tenant", "field", "workload")

EXTERNAL: Final = "external"
"""The tier of what providers serve."""

NONE_GROUP: Final = "(none)"
SHADOWS_GROUP: Final = "(shadows)"
"""The workload of answers that a rollout had made to be compared: a line of its own."""

JUDGES_GROUP: Final = "(judges)"
"""What Specialists cost that were asked about the answers of others, by Specialist."""

MILLION: Final = 1_000_000
JUDGED_GOOD: Final = frozenset({"accepted", "escalated", "repaired"})


@dataclass(frozen=True, slots=True)
class Labels:
    """What calls and requests are told apart by.

    ``judges`` is for calls about an answer that somebody else gave to the request.
    """

    specialist: str = ""
    tier: str = ""
    tenant: str = ""
    field: str = ""
    workload: str = ""
    judges: bool = False

    def of(self, dimension: Dimension) -> str:
        """Give one of them; requests that nobody answered, or without a field, have none.

        A shadow's calls are a group of their own, whoever's question it was. By tier they stay
        where they are: the GPUs of a tier cost what they cost.

        >>> Labels("demo/sorter", "h100", "demo/a", workload=SHADOWS_GROUP).of("tenant")
        '(shadows)'

        A judge's call is no answer of the Specialist's that judged. By anything else it belongs
        to the request whose answer was judged:

        >>> judge = Labels("demo/judge", "h100", "demo/a", "sorting", judges=True)
        >>> judge.of("specialist"), judge.of("tenant"), judge.of("field")
        ('(judges)', 'demo/a', 'sorting')
        """
        if self.workload == SHADOWS_GROUP and dimension != "tier":
            return SHADOWS_GROUP
        if self.judges and dimension == "specialist":
            return JUDGES_GROUP
        value: str = getattr(self, dimension)
        return value or NONE_GROUP


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of an hour with the same labels, summed up.

    ``counted`` are those whose tokens are known, ``passed_on`` those whose answer was not taken:
    somebody else was asked, or nobody. ``nano_usd`` is what their provider bills by its
    price sheet, and means nothing for GPUs of the fleet.
    """

    hour_ms: int
    labels: Labels
    calls: int
    counted: int
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    milliseconds: int = 0
    nano_usd: int = 0
    passed_on: int = 0


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of some time with the same labels and the same end, summed up.

    ``labels`` has the Specialist that answered. ``said_yes`` and ``said_no`` count the last words
    of people and verifiers, which come before what the router made of the answer.
    """

    labels: Labels
    state: str
    requests: int
    input_tokens: int = 0
    output_tokens: int = 0
    said_yes: int = 0
    said_no: int = 0

    @property
    def accepted(self) -> int:
        """Requests whose answer counts as accepted.

        >>> Requests(Labels(), "accepted", 10, said_no=2).accepted
        8
        >>> Requests(Labels(), "relayed", 10, said_yes=3).accepted
        3
        """
        return self.requests - self.said_no if self.state in JUDGED_GOOD else self.said_yes


@dataclass(frozen=True, slots=True)
class Charge:
    """What a tenant pays: for an accepted answer, and for a million tokens in and out."""

    answer_nano_usd: int = 0
    input_million_nano_usd: int = 0
    output_million_nano_usd: int = 0

    def of(self, requests: Requests) -> int:
        """Say what some requests bring in."""
        return (
            self.answer_nano_usd * requests.accepted
            + scaled(self.input_million_nano_usd, requests.input_tokens, MILLION)
            + scaled(self.output_million_nano_usd, requests.output_tokens, MILLION)
        )


@dataclass(slots=True)
class Tally:
    """Figures of one group as they are being added up: plain numbers, since there are many."""

    busy: list[int] = field(default_factory=lambda: [0, 0, 0])
    idle: list[int] = field(default_factory=lambda: [0, 0, 0])
    external_nano_usd: int = 0
    calls: int = 0
    passed_on: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    energy_estimated: bool = False
    tokens_estimated: bool = False

    def take(self, busy: Slice, idle: Slice, *, estimated: bool, energy_estimated: bool) -> None:
        """Add a part of the bill."""
        for sums, part in ((self.busy, busy), (self.idle, idle)):
            sums[0] += part.nano_usd
            sums[1] += part.gpu_ns
            sums[2] += part.joules
        self.estimated |= estimated
        self.energy_estimated |= energy_estimated

    def count(self, one: Calls) -> None:
        """Add calls; those of providers bring their own bill."""
        external = one.labels.tier == EXTERNAL
        self.external_nano_usd += one.nano_usd if external else 0
        self.calls += one.calls
        self.passed_on += one.passed_on
        self.input_tokens += one.input_tokens
        self.cached_tokens += one.cached_tokens
        self.output_tokens += one.output_tokens
        self.estimated |= external and one.counted < one.calls
        self.tokens_estimated |= one.counted < one.calls

    def figures(self, name: str) -> Figures:
        """Give what it comes to."""
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        return Figures(name, **{**kept, "busy": Slice(*self.busy), "idle": Slice(*self.idle)})
