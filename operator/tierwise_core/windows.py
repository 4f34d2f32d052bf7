"""Windows of utility: what a revision of a Specialist did in a field over some time.

A window holds counts and sums only, all of them whole numbers: two windows are merged by adding,
exactly and in any order, and one interaction can be taken out again when a later word changes it.
Sums of squares and products are among them, so that whoever reads a window can put an interval
around U for any weights.

Confidence is counted in ten-thousandths, its squares in hundred-millionths.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self

from tierwise_core.decision_record import ABANDONED, DecisionRecord, StepRecord
from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.utility import confidence_term, curiosity, efficacy, utility

__all__ = [
    "E4",
    "NAMES",
    "Interaction",
    "Parts",
    "Source",
    "Window",
    "interaction_of",
    "parts_of",
    "unheard",
]

E4: Final = 10_000
Source = Literal["feedback", "verifier", "gate", "failure", ""]
"""Whose word counts: a person's or program's, a verifier's, the gate's alone, none as no answer
came; empty where nobody has judged yet."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One Specialist that was asked once.

    ``accepted`` is None where nobody judged yet. ``confidence`` is 0 to 1, after asking.
    ``compared`` tells whether its answer could be compared with others to the same question, and
    ``contradicted`` whether it differed from what is known, or from most.
    """

    accepted: bool | None
    confidence: float
    source: Source = ""
    escalated: bool = False
    compared: bool = False
    contradicted: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Counts and sums of interactions.

    ``judged`` of the ``asked`` have a judgement, by whom: ``feedback``, ``verifier``, ``gate`` or
    ``failure``. ``compared`` counts answers that could be compared, ``contradicted`` those that
    contradicted. The sums are of judged interactions: ``accepted`` and ``accepted_contradicted``
    are counts, ``contradicted_judged`` too; ``confidence_e4`` sums confidence, and the others its
    square and its products with the counts.
    """

    asked: int = 0
    judged: int = 0
    feedback: int = 0
    verifier: int = 0
    gate: int = 0
    failure: int = 0
    escalated: int = 0
    compared: int = 0
    contradicted: int = 0
    accepted: int = 0
    contradicted_judged: int = 0
    accepted_contradicted: int = 0
    confidence_e4: int = 0
    confidence_squared_e8: int = 0
    accepted_confidence_e4: int = 0
    contradicted_confidence_e4: int = 0

    @classmethod
    def of(cls, one: Interaction) -> Self:
        """Count one interaction.

        >>> window = Window.of(Interaction(True, 0.9, "gate"))
        >>> window.judged, window.accepted, window.confidence_e4, window.confidence_squared_e8
        (1, 1, 9000, 81000000)
        """
        judged = one.accepted is not None
        yes, off = bool(one.accepted), one.contradicted and judged
        told = round(min(max(one.confidence, 0.0), 1.0) * E4) if judged else 0
        return cls(
            asked=1,
            judged=int(judged),
            feedback=int(judged and one.source == "feedback"),
            verifier=int(judged and one.source == "verifier"),
            gate=int(judged and one.source == "gate"),
            failure=int(judged and one.source == "failure"),
            escalated=int(one.escalated),
            compared=int(one.compared),
            contradicted=int(one.contradicted),
            accepted=int(yes),
            contradicted_judged=int(off),
            accepted_contradicted=int(yes and off),
            confidence_e4=told,
            confidence_squared_e8=told * told,
            accepted_confidence_e4=told * yes,
            contradicted_confidence_e4=told * off,
        )

    def __add__(self, other: Window) -> Window:
        return Window(*(one + more for one, more in zip(_told(self), _told(other), strict=True)))

    def __sub__(self, other: Window) -> Window:
        return Window(*(one - less for one, less in zip(_told(self), _told(other), strict=True)))

    def to_row(self) -> dict[str, int]:
        """Give the sums by their names, as a table and JSON have them."""
        return dict(zip(NAMES, _told(self), strict=True))

    @classmethod
    def from_row(cls, row: Any) -> Self:
        """Read them; what is missing or None counts as nothing."""
        return cls(**{name: int(row.get(name) or 0) for name in NAMES})

    @property
    def contradiction_rate(self) -> float:
        """The share of comparable answers that contradicted; 0 where none could be compared.

        >>> Window(compared=200, contradicted=6).contradiction_rate
        0.03
        """
        return self.contradicted / self.compared if self.compared else 0.0

    @property
    def escalation_rate(self) -> float:
        """The share of what it was asked that went on to another."""
        return self.escalated / self.asked if self.asked else 0.0

    @property
    def mean_confidence(self) -> float:
        """What it claimed on average, 0 to 1; 0 where nothing was judged."""
        return self.confidence_e4 / E4 / self.judged if self.judged else 0.0

    def variance(self, judgement: FieldJudgement) -> float:
        """Tell how much U differs from one judged interaction to the next (the sample variance).

        Per interaction it is ``w_e E + w_c (P - m X)``, with E and X 0 or 1 and P the confidence;
        the bonus K is one number for the whole window and has none. The standard error of the
        window's U is ``sqrt(variance / judged)``. Half accepted, always as sure, E counts 0.6:

        >>> window = Window.of(Interaction(True, 0.8, "gate")) + Window.of(
        ...     Interaction(False, 0.8, "gate"))
        >>> round(window.variance(FieldJudgement()), 4)  # 0.6 ** 2 * 0.5
        0.18
        """
        count = self.judged
        if count < 2:  # noqa: PLR2004 - one alone does not vary
            return 0.0
        weights, penalty = judgement.weights, judgement.penalty
        of_yes, of_told = weights.efficacy, weights.confidence
        of_off = -of_told * penalty
        total = (
            of_yes * self.accepted
            + of_told * self.confidence_e4 / E4
            + of_off * self.contradicted_judged
        )
        squares = (
            of_yes**2 * self.accepted
            + of_told**2 * self.confidence_squared_e8 / E4**2
            + of_off**2 * self.contradicted_judged
            + 2 * of_yes * of_told * self.accepted_confidence_e4 / E4
            + 2 * of_yes * of_off * self.accepted_contradicted
            + 2 * of_told * of_off * self.contradicted_confidence_e4 / E4
        )
        return max(squares - total * total / count, 0.0) / (count - 1)


NAMES: Final = tuple(field.name for field in fields(Window))


def _told(window: Window) -> tuple[int, ...]:
    return tuple(getattr(window, name) for name in NAMES)


@dataclass(frozen=True, slots=True)
class Parts:
    """U and what it is made of, each from 0 to 1, and U's variance per judged interaction."""

    utility: float
    efficacy: float
    confidence: float
    curiosity: float
    variance: float


def parts_of(window: Window, judgement: FieldJudgement, field_total: int | None = None) -> Parts:
    """Work out U from a window; ``field_total`` are the judged answers of the whole field.

    88 of 100 accepted at 0.90, three of a hundred contradicted, nobody else in the field:

    >>> window = Window(judged=100, accepted=88, compared=100, contradicted=3,
    ...     confidence_e4=900_000)
    >>> parts = parts_of(window, FieldJudgement(penalty=2.0))
    >>> round(parts.efficacy, 3), round(parts.confidence, 3), round(parts.curiosity, 3)
    (0.873, 0.84, 0.214)
    >>> round(parts.utility, 3)
    0.828
    """
    total = window.judged if field_total is None else max(field_total, window.judged)
    terms = (
        efficacy(window.accepted, window.judged),
        confidence_term(window.mean_confidence, window.contradiction_rate, judgement.penalty),
        curiosity(window.judged, total),
    )
    return Parts(utility(judgement.weights, *terms), *terms, window.variance(judgement))


def interaction_of(
    record: DecisionRecord, position: int, *, feedback: bool | None = None
) -> Interaction | None:
    """Read what became of one step of a decision; None for one that was not asked after all.

    ``feedback`` is the last word on the decision's answer, which is its last step's. An escalation
    counts against whoever was escalated from, whatever its verifiers said: it was of no use. So
    does a failure, unless its client left before the answer was there: nobody knows what it was.

    >>> steps = (StepRecord("demo/sorter", confidence=0.4, verdict="escalate"),
    ...     StepRecord("demo/frontier", confidence=0.9, verdict="accept"))
    >>> record = DecisionRecord("d-1", steps=steps, specialist="demo/frontier")
    >>> interaction_of(record, 0)
    Interaction(accepted=False, confidence=0.4, source='gate', escalated=True, \
compared=False, contradicted=False)
    >>> interaction_of(record, 1, feedback=False).accepted
    False
    >>> left = DecisionRecord("d-2", steps=(StepRecord("demo/sorter", failure=ABANDONED),))
    >>> interaction_of(left, 0).accepted is None
    True
    """
    step = record.steps[position]
    if step.verdict == "passed-over":
        return None
    told = step.confidence if step.confidence is not None else step.predicted
    if step.failure == ABANDONED:
        return Interaction(None, 0.5 if told is None else told)
    if step.failure:
        return Interaction(accepted=False, confidence=0.0, source="failure")
    answered = position == len(record.steps) - 1 and bool(record.specialist)
    accepted, source = _judged(step, said=feedback if answered else None)
    return Interaction(
        accepted, 0.5 if told is None else told, source, escalated=step.verdict == "escalate"
    )


def unheard(step: StepRecord) -> tuple[bool | None, Source]:
    """Judge an answer by its verifiers and the gate alone, whatever people said of it.

    >>> unheard(StepRecord("demo/sorter", verdict="accept", verified=False))
    (False, 'verifier')
    """
    return _judged(step, said=None)


def _judged(step: StepRecord, *, said: bool | None) -> tuple[bool | None, Source]:
    if said is not None:
        return said, "feedback"
    if step.verdict in {"escalate", "abstain"}:
        return False, "verifier" if step.verified is False else "gate"
    if step.verified is not None:
        return step.verified, "verifier"
    return (True, "gate") if step.verdict == "accept" else (None, "")
