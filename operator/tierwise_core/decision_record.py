"""What is written down of a decision: who could answer, who was asked, how it ended.

One record per request, in JSON's types, so that the journal's lines, ``GET /v1/decisions/ID``, the
learner and ``tierwise explain`` read the same thing. The question itself is never in it: only its
canonical id and what was measured of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, Protocol, Self

__all__ = [
    "ABANDONED",
    "DECISION_KIND",
    "FEEDBACK_KIND",
    "JUDGE",
    "SHADOW",
    "CandidateRecord",
    "DecisionRecord",
    "Feedback",
    "FinalState",
    "OutcomeLog",
    "Recordable",
    "StepRecord",
]

DECISION_KIND: Final = "decision"
FEEDBACK_KIND: Final = "feedback"
SHADOW: Final = "shadow"
"""The pattern of an answer that was made to be compared; no client ever saw it."""

ABANDONED: Final = "abandoned"
"""The failure of a Specialist that was still being asked when its client left: none of its own."""

JUDGE: Final = "judge"
"""The verdict of a call that was about somebody else's answer."""

FinalState = Literal[
    "accepted", "repaired", "escalated", "relayed", "abstained", "human_review", "refused", "failed"
]
"""How a request ended.

``accepted`` by the first who was asked, ``repaired`` by the one whose first answer an evaluator had
sent back, ``escalated`` and then accepted by a later one, ``relayed`` without a judgement (asked by
name, or a last stream), ``abstained`` or ``human_review`` when nobody was sure enough, ``refused``
before anybody was asked (a limit, a budget, a model that is not there), ``failed`` when no answer
came at all.
"""


@dataclass(frozen=True, slots=True)
class CandidateRecord:
    """One Specialist that could have answered: its scores, and why it lost (empty: it was asked).

    ``predicted`` is the confidence before asking, ``lower`` its lower bound and ``support`` the
    outcomes that it rests on. ``scores`` are the scorers' values in [0, 1] by name, ``total`` their
    weighted mean; they decide among the Specialists of a field.
    """

    specialist: str
    tier: str = ""
    revision: str = ""
    predicted: float = 0.0
    lower: float = 0.0
    support: float = 0.0
    floor: float = 0.0
    expected_usd: float = 0.0
    scores: Mapping[str, float] | None = None
    total: float | None = None
    why: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One Specialist that was asked.

    ``own_field`` is its field where it was asked as its field's Specialist, None where it took
    over for others. ``predicted`` and ``confidence`` are before and after asking; ``verdict`` is
    accept, escalate, abstain, relayed, failed or passed-over. ``checks`` has each verifier's word
    and ``verified`` what they come to, None when there are none. ``cached_tokens`` are those of the
    input that the engine had already; ``queue_s`` is how long it waited here for a place, and
    ``ttft_s`` how long the first bytes of the answer took, both None where nobody measured.
    ``answer_id`` is a digest of the answer, empty where it is not to be compared. ``side`` is
    ``green`` where a rollout's candidate was asked, empty for what serves.
    """

    specialist: str
    tier: str = ""
    revision: str = ""
    pod: str = ""
    own_field: str | None = None
    predicted: float | None = None
    confidence: float | None = None
    floor: float = 0.0
    verdict: str = ""
    failure: str = ""
    seconds: float | None = None
    cost_usd: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    adapter: str = ""
    queue_s: float | None = None
    ttft_s: float | None = None
    answer_id: str = ""
    verified: bool | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    side: str = ""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One request from its question to its end.

    ``at`` is in seconds since the epoch; ``session`` and ``user`` are digests and not the caller's
    own ids. ``workload`` is the caller's own word for what the request belongs to, and
    ``context_id`` a digest of what besides the question changes the answer, empty for a bare
    question.
    ``elsewhere`` are Specialists of other fields, with their field; ``elsewhere_count`` counts also
    those that are not listed. ``floor_asked`` is the request's own floor. ``pattern`` is the one
    that was run, and ``parts`` the decisions of its sub-requests; that of a ``shadow``, which no
    client saw, is the decision whose question it answered again.
    ``specialist`` is who answered, empty when nobody did. ``similarity_id`` is a sketch of the
    question's words (:mod:`tierwise_core.likeness`). ``features`` are the predictor's measures
    of the question (:func:`tierwise_core.query_features.feature_row`). ``judges`` are the calls of
    verifiers that asked another Specialist about an answer; ``cost_usd`` has theirs in it.
    """

    id: str
    at: float = 0.0
    endpoint: str = ""
    model: str = ""
    table: str = ""
    tenant: str = ""
    session: str = ""
    user: str = ""
    workload: str = ""
    context_id: str = ""
    latency_class: str = "realtime"
    stream: bool = False
    query_id: str = ""
    similarity_id: str = ""
    features: tuple[float, ...] = ()
    field: str | None = None
    field_probability: float = 0.0
    in_domain: float = 0.0
    field_shares: Mapping[str, float] | None = None
    candidates: tuple[CandidateRecord, ...] = ()
    floor_asked: float | None = None
    elsewhere: Mapping[str, str] | None = None
    elsewhere_count: int = 0
    steps: tuple[StepRecord, ...] = ()
    state: FinalState = "failed"
    status: int = 0
    reason: str = ""
    specialist: str = ""
    calls: int = 0
    max_calls: int = 0
    max_hops: int = 0
    max_cost_usd: float | None = None
    cost_usd: float = 0.0
    seconds: float = 0.0
    pattern: str = ""
    parts: tuple[str, ...] = ()
    judges: tuple[StepRecord, ...] = ()

    @property
    def is_shadow(self) -> bool:
        """Whether nobody saw the answer: it counts as evidence and costs money, no more."""
        return self.pattern == SHADOW

    @property
    def is_part(self) -> bool:
        """Whether it is a step of a pattern's answer; that has a decision of its own."""
        return bool(self.pattern and self.steps and not self.parts)

    @property
    def accepted(self) -> bool | None:
        """What the gate made of the answer; None where nothing was judged."""
        if self.state in {"accepted", "repaired", "escalated"}:
            return True
        return False if self.state in {"abstained", "human_review"} else None

    def to_row(self) -> dict[str, Any]:
        """Give the record as a row of the journal.

        >>> record = DecisionRecord("d-1", steps=(StepRecord("demo/sorter"),), state="accepted")
        >>> DecisionRecord.of(record.to_row()) == record
        True
        """
        return {"kind": DECISION_KIND, **asdict(self)}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row; fields of a newer version are left out, and missing ones have defaults."""
        known = _known(cls, row)
        known["candidates"] = tuple(
            CandidateRecord(**_known(CandidateRecord, one)) for one in row.get("candidates") or ()
        )
        known["steps"] = tuple(_step(one) for one in row.get("steps") or ())
        known["judges"] = tuple(_step(one) for one in row.get("judges") or ())
        known["features"] = tuple(row.get("features") or ())
        known["parts"] = tuple(row.get("parts") or ())
        return cls(**known)


def _step(row: Mapping[str, Any]) -> StepRecord:
    known = _known(StepRecord, row)
    known["checks"] = tuple(row.get("checks") or ())
    return StepRecord(**known)


def _known(kind: type[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: row[one.name] for one in fields(kind) if one.name in row}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person or a program made of an answer; the last one of a decision counts.

    ``corrected`` is the right answer's text, ``at`` in seconds since the epoch.
    """

    decision: str
    accepted: bool
    corrected: str | None = None
    comment: str | None = None
    at: float = 0.0

    def to_row(self) -> dict[str, Any]:
        """Give it as a row of the journal."""
        return {"kind": FEEDBACK_KIND, **asdict(self)}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row; fields of a newer version are left out."""
        return cls(**_known(cls, row))


class Recordable(Protocol):
    """Something that can be told as a row of the journal, later and in another thread."""

    def to_row(self) -> Mapping[str, Any]:
        """Give the row: ``{"kind": "decision" | "feedback", ...}`` in JSON's types."""
        ...


class OutcomeLog(Protocol):
    """The port through which outcomes leave the router; it never blocks and never raises."""

    def record(self, outcome: Recordable) -> None:
        """Take one outcome; it becomes a row off the path."""
        ...
