"""Rows to train and to test with, made of what was asked, answered and said of it.

Shapes are those of TRL's conversational datasets: ``prompt`` is a list of messages, and so are
``chosen``, ``rejected`` and ``completion``. ``weight`` is the field's penalty multiplier: where a
wrong answer is worse, its pair counts more. It is negative where the wrong answer is that of a
revision which a rollout took back: the next candidate must not learn to sound like it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

from tierwise_core.claims import answer_id
from tierwise_core.field_profiles import judgement_of

__all__ = ["Asked", "Given", "Kind", "eval_rows", "held_out", "pair_rows", "rows_of", "sft_rows"]

Kind = Literal["dpo", "sft", "evals"]
Message = Mapping[str, Any]
HELD_OUT: Final = 0.1
BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Given:
    """One answer that was given.

    ``right`` is what a person or a verifier made of it, None where neither said; ``by_people``
    tells which. ``went_out`` is the one that the caller got. ``rollout`` names the rollout that
    took it back, if one did.
    """

    position: int
    text: str
    specialist: str
    revision: str
    right: bool | None = None
    by_people: bool = False
    went_out: bool = False
    rollout: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with all its answers; ``corrected`` is what somebody said was right.

    ``stands`` is what others answered to the same question and nothing contradicts: an answer that
    a rollout took back is paired with it where nothing better is known.
    """

    decision: str
    at: float
    field: str
    query_id: str
    messages: tuple[Message, ...]
    answers: tuple[Given, ...] = ()
    corrected: str | None = None
    stands: str = ""


def rows_of(
    kind: Kind,
    asked: Asked,
    taken_back: Collection[tuple[str, str]] = (),
    hold_out: float = HELD_OUT,
) -> Iterator[dict[str, Any]]:
    """Give a question's rows of a kind.

    Questions that are held out are in ``evals`` only, and the others never there: nothing is
    tested on what it was trained with.
    """
    if held_out(asked.query_id or asked.decision, hold_out) != (kind == "evals"):
        return
    if kind == "dpo":
        yield from pair_rows(asked, taken_back)
    elif kind == "sft":
        yield from sft_rows(asked)
    else:
        yield from eval_rows(asked)


def held_out(query_id: str, share: float) -> bool:
    """Tell whether a question is kept for tests; the same one always is, or never.

    >>> sum(held_out(f"q-{number}", 0.1) for number in range(1000))
    105
    """
    number = int.from_bytes(sha256(query_id.encode("utf-8", "surrogatepass")).digest()[:4], "big")
    return number % BUCKETS < share * BUCKETS


def pair_rows(
    asked: Asked, taken_back: Collection[tuple[str, str]] = ()
) -> Iterator[dict[str, Any]]:
    """Pair the right answer with each wrong one.

    What a person gave as right counts, else an answer that was taken for right. Wrong is what a
    person or a verifier said is wrong, and a short answer that says something else than the right
    one (:func:`tierwise_core.claims.answer_id`).

    >>> question = ({"role": "user", "content": "sort dbca"},)
    >>> wrong = Given(0, "dcba", "demo/sorter", "r2", right=False, by_people=True, went_out=True)
    >>> asked = Asked("d-1", 5.0, "creative", "q", question, (wrong,), corrected="abcd")
    >>> (row,) = pair_rows(asked)
    >>> row["chosen"], row["rejected"][0]["content"], row["weight"]
    ([{'role': 'assistant', 'content': 'abcd'}], 'dcba', 1.0)
    >>> (row,) = pair_rows(asked, {("demo/sorter", "r2")})
    >>> row["weight"]
    -1.0
    """
    for answer in asked.answers:
        right, origin = _right_beside(asked, answer)
        wrong_by = _wrong_by(answer, right)
        if not wrong_by:
            continue
        bad = bool(answer.rollout) or (answer.specialist, answer.revision) in taken_back
        penalty = judgement_of(asked.field).penalty
        yield {
            "prompt": list(asked.messages),
            "chosen": _said(right),
            "rejected": _said(answer.text),
            "weight": -penalty if bad else penalty,
            "field": asked.field,
            "provenance": _provenance(asked, origin)
            | {
                "rejected_specialist": answer.specialist,
                "rejected_revision": answer.revision,
                "rejected_by": wrong_by,
                "rolled_back": bad,
                "rollout": answer.rollout,
            },
        }


def _right_beside(asked: Asked, answer: Given) -> tuple[str, str]:
    """Find what is right beside an answer, and who says so; empty where nothing is known."""
    right, origin = _right(asked)
    if right is None and answer.rollout and asked.stands:
        return asked.stands, "claims"
    return right or "", origin


def _wrong_by(answer: Given, right: str) -> str:
    """Tell who says that an answer is wrong: people, verifier, contradiction; empty: nobody."""
    if not answer.text or not right or answer.text == right:
        return ""
    if answer.right is False:
        return "people" if answer.by_people else "verifier"
    named, known = answer_id(answer.text), answer_id(right)
    return "contradiction" if named and known and named != known else ""


def sft_rows(asked: Asked) -> Iterator[dict[str, Any]]:
    """Give the right answer to imitate; nothing where nobody said which it is."""
    right, origin = _right(asked)
    if right is not None:
        yield {
            "prompt": list(asked.messages),
            "completion": _said(right),
            "weight": judgement_of(asked.field).penalty,
            "field": asked.field,
            "provenance": _provenance(asked, origin),
        }


def eval_rows(asked: Asked) -> Iterator[dict[str, Any]]:
    """Give question and right answer, for a test; only where a person said so."""
    right, origin = _right(asked)
    if right is not None and origin in {"correction", "people"}:
        yield {
            "input": list(asked.messages),
            "ideal": right,
            "field": asked.field,
            "weight": judgement_of(asked.field).penalty,
            "provenance": _provenance(asked, origin),
        }


def _right(asked: Asked) -> tuple[str | None, str]:
    """Find the right answer and who says so: a correction, people, a verifier."""
    if asked.corrected:
        return asked.corrected, "correction"
    for by_people, origin in ((True, "people"), (False, "verifier")):
        for answer in reversed(asked.answers):
            if answer.right and answer.by_people is by_people and answer.text:
                return answer.text, origin
    return None, ""


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _provenance(asked: Asked, origin: str) -> dict[str, Any]:
    return {
        "decision": asked.decision,
        "query": asked.query_id,
        "at": asked.at,
        "right_by": origin,
        "answered_by": _answered_by(asked.answers),
    }


def _answered_by(answers: Sequence[Given]) -> str:
    out = next((one for one in answers if one.went_out), None)
    return f"{out.specialist}@{out.revision}" if out else ""
