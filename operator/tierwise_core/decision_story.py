"""A decision's record as a person reads it: what was asked, who could answer, what happened, why.

Also the question that people really have: what would have had to be different. It is answered from
the numbers of the record alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tierwise_core.decision_record import SHADOW, CandidateRecord, DecisionRecord, StepRecord
from tierwise_core.late_verdict import VERDICT_KIND

__all__ = ["Section", "story", "what_would_change"]

STATES: Final = {
    "accepted": "accepted",
    "repaired": "accepted after it was sent back and answered again",
    "escalated": "escalated",
    "relayed": "passed on without a judgement",
    "abstained": "abstained: nobody was sure enough",
    "human_review": "handed over to a person: nobody was sure enough",
    "refused": "refused before anybody was asked",
    "failed": "failed",
}
VERDICTS: Final = {
    "accept": "accepted",
    "escalate": "passed on to the next",
    "abstain": "refused, and nobody was left to ask",
    "relayed": "its answer went through without a judgement",
}
JUDGED_LATER: Final = "its answer went through, and verifiers read it afterwards"
BELOW_FLOOR: Final = "predicted "
ELSEWHERE_SHOWN: Final = 6


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the lines below it."""

    title: str
    lines: tuple[str, ...]


def story(record: DecisionRecord) -> tuple[Section, ...]:
    """Tell a decision; sections without anything to say are left out."""
    sections = (
        Section("Outcome", tuple(_outcome(record))),
        Section("The question", tuple(_question(record))),
        Section("Who could answer", tuple(_candidates(record))),
        Section("What happened", tuple(_steps(record))),
        Section("What would have changed it", what_would_change(record)),
    )
    return tuple(section for section in sections if section.lines)


def _outcome(record: DecisionRecord) -> Iterator[str]:
    last = record.steps[-1] if record.steps else None
    by = f" by {record.specialist} on {last.tier}" if record.specialist and last else ""
    yield f"{STATES.get(record.state, record.state)}{by}"
    judged_usd = sum(judge.cost_usd for judge in record.judges)
    judged = f" ({_usd(judged_usd)} of it for judges)" if judged_usd else ""
    yield f"{_usd(record.cost_usd)}{judged} in {record.seconds:.2f} s, status {record.status}"
    if record.reason and record.reason != VERDICT_KIND:
        yield f"because {record.reason}"
    if record.max_calls:
        ceiling = record.max_cost_usd
        most = f", at most {_usd(ceiling)}" if ceiling is not None else ""
        yield (
            f"{record.calls} of {record.max_calls} calls, {len(record.steps)} of "
            f"{record.max_hops} hops{most}"
        )
    if record.pattern == SHADOW:
        of = f" of {record.parts[0]}" if record.parts else ""
        what = "a verifier was asked about the answer"
        if record.reason != VERDICT_KIND:
            what = "the candidate answered the same question, and nobody was shown it"
        yield f"a shadow{of}: {what}"
    elif record.pattern:
        yield f"pattern {record.pattern}, made of {', '.join(record.parts) or 'no parts'}"


def _question(record: DecisionRecord) -> Iterator[str]:
    if not record.candidates and record.model != "auto":
        yield f"asked for {record.model!r} by name: nothing was to be decided"
        return
    if record.field is None:
        yield f"outside every field (in domain {record.in_domain:.2f})"
    else:
        doubt = 1.0 - record.field_probability * record.in_domain
        yield (
            f"field {record.field}, doubt {doubt:.2f} (among the fields "
            f"{record.field_probability:.2f}, in domain {record.in_domain:.2f})"
        )
    if record.field_shares and len(record.field_shares) > 1:
        shares = sorted(record.field_shares.items(), key=lambda pair: -pair[1])
        begin, words = (0, "closest fields") if record.field is None else (1, "next to it")
        near = ", ".join(f"{name} {share:.2f}" for name, share in shares[begin : begin + 3])
        yield f"{words}: {near}"
    if record.floor_asked is not None:
        yield f"the request asked for a floor of {record.floor_asked:.2f}"
    if record.latency_class != "realtime":
        yield f"latency class {record.latency_class}"
    yield f"query id {record.query_id} (the text itself is not kept)"


def _candidates(record: DecisionRecord) -> Iterator[str]:
    asked = {step.specialist for step in record.steps}
    for one in record.candidates:
        end = f"lost: {one.lost}" if one.lost else _place(one, asked)
        yield (
            f"{one.specialist}: predicted {one.predicted:.2f}{_support(one)}, floor "
            f"{one.floor:.2f}, about {_usd(one.expected_usd)}{_scores(one)}; {end}"
        )
    if record.elsewhere:
        names = [f"{name} ({field})" for name, field in record.elsewhere.items()]
        more = record.elsewhere_count - len(names[:ELSEWHERE_SHOWN])
        rest = f" and {more} more" if more > 0 else ""
        yield f"of other fields: {', '.join(names[:ELSEWHERE_SHOWN])}{rest}"


def _place(one: CandidateRecord, asked: set[str]) -> str:
    return f"asked: {one.why}" if one.specialist in asked else f"kept in reserve: {one.why}"


def _support(one: CandidateRecord) -> str:
    return f" (from {one.support:.0f} outcomes)" if one.support else ""


def _scores(one: CandidateRecord) -> str:
    if not one.scores or one.total is None:
        return ""
    each = ", ".join(f"{name} {value:.2f}" for name, value in one.scores.items())
    return f"; score {one.total:.2f} ({each})"


def _steps(record: DecisionRecord) -> Iterator[str]:
    for number, step in enumerate(record.steps, 1):
        known = (f"pod {step.pod}" if step.pod else "", f"{step.side} side" if step.side else "")
        pod = f" ({', '.join(filter(None, known))})" if any(known) else ""
        took = f", {step.seconds:.2f} s" if step.seconds is not None else ""
        cost = f", {_usd(step.cost_usd)}" if step.cost_usd else ""
        yield f"{number}. {step.specialist} on {step.tier}{pod}: {_verdict(step)}{took}{cost}"
        for check in step.checks:
            yield f"   verifier {check.get('name')}: {_word(check.get('passed'))}{_why(check)}"


def _verdict(step: StepRecord) -> str:
    if step.failure:
        return f"gave no answer ({step.failure})"
    if step.confidence is None:
        return VERDICTS["relayed"] if step.verified is None else JUDGED_LATER
    before = f"{step.predicted:.2f} before, " if step.predicted is not None else ""
    sign = ">=" if step.confidence >= step.floor else "<"
    said = VERDICTS.get(step.verdict, step.verdict)
    return f"{before}{step.confidence:.2f} after {sign} floor {step.floor:.2f}: {said}"


def _word(passed: object) -> str:
    return "nothing to say" if passed is None else ("yes" if passed else "no")


def _why(check: object) -> str:
    detail = check.get("detail") if isinstance(check, dict) else None
    return f", {detail}" if detail else ""


def what_would_change(record: DecisionRecord) -> tuple[str, ...]:
    """Say what would have had to be different for another end.

    >>> steps = (StepRecord("demo/sorter", confidence=0.41, floor=0.85, verdict="escalate"),)
    >>> what_would_change(DecisionRecord("d-1", steps=steps))
    ('a floor of 0.41 or less (it is 0.85) would have accepted the answer of demo/sorter',)
    """
    return (*_of_steps(record), *_of_candidates(record), *_of_ranking(record))


def _of_steps(record: DecisionRecord) -> Iterator[str]:
    for step in record.steps:
        if step.verdict not in {"escalate", "abstain"} or step.confidence is None:
            continue
        refused = [str(one.get("name")) for one in step.checks if one.get("passed") is False]
        if refused:
            yield f"an answer of {step.specialist} that passes {', '.join(refused)}"
            continue
        floor = int(step.confidence * 100) / 100
        yield (
            f"a floor of {floor:.2f} or less (it is {step.floor:.2f}) would have accepted the "
            f"answer of {step.specialist}"
        )


def _of_candidates(record: DecisionRecord) -> Iterator[str]:
    for one in record.candidates:
        if one.lost.startswith(BELOW_FLOOR) and one.predicted < one.floor:
            needed = int(one.predicted * 100) / 100
            yield (
                f"{one.specialist} would have been asked with a floor of {needed:.2f} or less (it "
                f"is {one.floor:.2f}), a question more clearly of its field, or a better record"
            )
        elif "ceiling" in one.lost:
            yield f"{one.specialist} would have needed a ceiling of {_usd(one.expected_usd)}"
        elif one.lost in {"no ready endpoint", "its breaker is open"}:
            yield f"{one.specialist} would have been on the way if it could take requests"


def _of_ranking(record: DecisionRecord) -> Iterator[str]:
    """Compare the first of the field with the one that came second."""
    ranked = [one for one in record.candidates if not one.lost and one.why.startswith("field ")]
    if len(ranked) < 2:  # noqa: PLR2004 - a comparison
        return
    first, second = ranked[:2]
    ahead = [
        name for name, value in (second.scores or {}).items() if value > (first.scores or {})[name]
    ]
    if ahead:
        yield (
            f"{second.specialist} would have been asked before {first.specialist} if "
            f"{' and '.join(ahead)} weighed more (score {second.total:.2f} to {first.total:.2f})"
        )
    else:
        yield f"{second.specialist} is ahead of {first.specialist} in no score"


def _usd(usd: float) -> str:
    """Print dollars with three significant digits and no exponent.

    >>> _usd(0.00083333), _usd(0.0), _usd(1.5)
    ('$0.000833', '$0', '$1.5')
    """
    if not usd:
        return "$0"
    text = f"{usd:.3g}"
    return f"${float(text):.12f}".rstrip("0").rstrip(".") if "e" in text else f"${text}"
