"""What the journal's rows say of answers: who was asked what, and what became of it.

Feedback is the truth as far as there is one. A verifier's word comes next. What the gate alone made
of an answer is hardly evidence: an answer below its floor need not be wrong, and one above it was
judged by the very predictions that are to be learned.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any, Final, Literal

from tierwise_core.decision_record import DECISION_KIND, FEEDBACK_KIND
from tierwise_core.query_features import QueryFeatures

__all__ = ["Outcome", "OutcomeBook", "Source"]

Source = Literal["feedback", "verifier", "gate"]
Key = tuple[str, int]
EARLY_FEEDBACK: Final = 10_000
MOST_UNJUDGED: Final = 2_000
JUDGED_VERDICTS: Final = frozenset({"accept", "escalate", "abstain"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one Specialist's answer.

    ``accepted`` is from 0 to 1; ``share`` how much the question was of the Specialist's field;
    ``field`` the one it answered for, and ``own`` whether that is its own; ``predicted`` what was
    expected of it then, None where nothing was; ``at`` in seconds since the epoch.
    """

    decision: str
    specialist: str
    revision: str
    at: float
    source: Source
    accepted: float
    share: float
    field: str | None
    own: bool
    predicted: float | None
    features: QueryFeatures | None
    answered: bool

    def to_row(self) -> dict[str, Any]:
        """Turn it into JSON's types."""
        row = asdict(self)
        row["features"] = list(self.features.row) if self.features is not None else None
        return row

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Outcome:
        """Read what :meth:`to_row` wrote; raises KeyError or TypeError for anything else."""
        known = {name: row[name] for name in cls.__slots__ if name != "features"}
        return cls(**known, features=QueryFeatures.from_row(row["features"]))


class OutcomeBook:
    """The latest outcomes that were judged, at most so many, and some that were not yet.

    The oldest are forgotten first. Those that nobody judged have a bound of their own: they come by
    the thousand and must not crowd out what somebody said.

    >>> book = OutcomeBook(1000)
    >>> book.take({"kind": "decision", "id": "d-1", "at": 5.0, "specialist": "demo/sorter",
    ...     "steps": [{"specialist": "demo/sorter", "confidence": 0.9, "verdict": "accept"}]})
    True
    >>> book.take({"kind": "feedback", "decision": "d-1", "accepted": False})
    True
    >>> [(one.source, one.accepted) for one in book]
    [('feedback', 0.0)]
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._judged: OrderedDict[Key, Outcome] = OrderedDict()
        self._others: OrderedDict[Key, Outcome] = OrderedDict()
        self._answers: dict[str, Key] = {}
        self._early: OrderedDict[str, bool] = OrderedDict()

    def __len__(self) -> int:
        return len(self._judged) + len(self._others)

    def __iter__(self) -> Iterator[Outcome]:
        return (outcome for _, outcome in self.steps())

    def steps(self) -> Iterator[tuple[int, Outcome]]:
        """Give each outcome with the number of its step."""
        found = chain(self._judged.items(), self._others.items())
        return ((key[1], outcome) for key, outcome in found)

    def keep(self, most: int) -> None:
        """Change how many are kept."""
        self._most = most
        self._forget()

    def take(self, row: Mapping[str, Any]) -> bool:
        """Take a row of the journal; tells whether it said anything."""
        if row.get("kind") == FEEDBACK_KIND:
            return self._take_feedback(row)
        if row.get("kind") == DECISION_KIND:
            return self._take_decision(row)
        return False

    def add(self, outcome: Outcome, step: int) -> None:
        """Add one outcome, of a step of its decision."""
        key = (outcome.decision, step)
        store = self._others if outcome.source == "gate" else self._judged
        store[key] = outcome
        if outcome.answered:
            self._answers[outcome.decision] = key
        self._forget()

    def _take_feedback(self, row: Mapping[str, Any]) -> bool:
        decision, accepted = row.get("decision"), row.get("accepted")
        if not isinstance(decision, str) or not isinstance(accepted, bool):
            return False
        key = self._answers.get(decision)
        if key is None:
            # Another process may have written the decision to a file that is read later.
            self._early[decision] = accepted
            if len(self._early) > EARLY_FEEDBACK:
                self._early.popitem(last=False)
            return False
        found = self._others.pop(key, None) or self._judged[key]
        self.add(replace(found, source="feedback", accepted=float(accepted)), key[1])
        return True

    def _take_decision(self, row: Mapping[str, Any]) -> bool:
        decision, steps = row.get("id"), row.get("steps")
        if not isinstance(decision, str) or not isinstance(steps, list):
            return False
        said = self._early.pop(decision, None)
        took = False
        for number, step in enumerate(steps):
            last = number == len(steps) - 1
            answered = last and bool(row.get("specialist"))
            outcome = _outcome(
                row, decision, step, said=said if answered else None, answered=answered
            )
            if outcome is not None and (decision, number) not in self._judged:
                self.add(outcome, number)
                took = True
        return took

    def _forget(self) -> None:
        for store, most in ((self._judged, self._most), (self._others, MOST_UNJUDGED)):
            while len(store) > most:
                key, _ = store.popitem(last=False)
                if self._answers.get(key[0]) == key:
                    del self._answers[key[0]]


def _outcome(
    row: Mapping[str, Any], decision: str, step: object, *, said: bool | None, answered: bool
) -> Outcome | None:
    """Read one step; None for one that gave no answer, and for what is no step at all."""
    if not isinstance(step, Mapping) or step.get("failure"):
        return None
    name, confidence, verified = (step.get(key) for key in ("specialist", "confidence", "verified"))
    if not isinstance(name, str):
        return None
    if said is not None:
        source, accepted = "feedback", float(said)
    elif isinstance(verified, bool):
        source, accepted = "verifier", float(verified)
    else:
        # A relayed answer that nobody judged says nothing yet; feedback may still come.
        judged = step.get("verdict") in JUDGED_VERDICTS
        source, accepted = "gate", _number(confidence, 0.5) if judged else math.nan
    own = step.get("own_field")
    return Outcome(
        decision, name, str(step.get("revision") or ""), _number(row.get("at"), 0.0),
        source, accepted, _share(row, own),  # type: ignore[arg-type]
        own if isinstance(own, str) else _text(row.get("field")), isinstance(own, str),
        _number(step.get("predicted"), None), QueryFeatures.from_row(row.get("features")), answered,
    )  # fmt: skip


def _share(row: Mapping[str, Any], own: object) -> float:
    if not isinstance(own, str):
        return 1.0
    shares = row.get("field_shares")
    share = shares.get(own) if isinstance(shares, Mapping) else None
    return float(_number(share, 1.0) * _number(row.get("in_domain"), 1.0))


def _number(value: object, otherwise: Any) -> Any:
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if right else otherwise  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
