"""A held-out set: questions, one JSON object a line, and what would be right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.errors import TierwiseError
from tierwise_core.examining.checking import CHECKS, Expected, pattern_problem
from tierwise_core.examining.judging import JUDGE

__all__ = ["HeldOutSetError", "Question", "read_questions"]

SAID_PROBLEMS: Final = 3
ASKED_BY: Final = ("messages", "input", "question", "prompt")
ANSWERED_BY: Final = ("answers", "answer", "ideal")
NEEDS_NO_ANSWER: Final = frozenset({"refusal", JUDGE})
KNOWN: Final = (*sorted(CHECKS), JUDGE)

Message = Mapping[str, Any]


class HeldOutSetError(TierwiseError):
    """A held-out set that cannot be read; the message says where and what would be right."""

    reason = "HeldOutSetUnreadable"


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what is sent, and what would be right.

    ``name`` is its id, or its line. ``adapter`` is asked instead of the model where it is given.
    """

    name: str
    messages: tuple[Message, ...]
    expected: Expected
    adapter: str = ""


def read_questions(text: str, verifier: str, most: int) -> tuple[Question, ...]:
    r"""Read the first ``most`` questions; ``verifier`` judges those that name none themselves.

    What ``tierwise export evals`` writes (input and ideal) is read as well. Other keys are the
    set's own business.

    >>> (one,) = read_questions('{"question": "sort dbca", "answer": "abcd"}\n', "exact", 100)
    >>> one.name, one.messages, one.expected.answers
    ('line 1', ({'role': 'user', 'content': 'sort dbca'},), ('abcd',))

    Raises:
        HeldOutSetError: no question, a line that is none, or a verifier that nobody knows.
    """
    questions: list[Question] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if len(questions) == most:
            break
        try:
            questions.append(_question(line, number, verifier))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        more = len(problems) - SAID_PROBLEMS
        rest = f"; {more} more lines are wrong" if more > 0 else ""
        raise HeldOutSetError("; ".join(problems[:SAID_PROBLEMS]) + rest)
    if not questions:
        raise HeldOutSetError(
            'it has no questions; write one JSON object a line, such as {"question": "sort dbca", '
            '"answer": "abcd"}'
        )
    return tuple(questions)


def _question(line: str, number: int, verifier: str) -> Question:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError('it must be an object, such as {"question": "sort dbca"}')  # noqa: TRY004
    kind = row.get("verifier", verifier)
    if kind not in KNOWN:
        raise ValueError(f"verifier {kind!r}: known are {', '.join(KNOWN)}")
    return Question(
        name=str(row.get("id") or f"line {number}"),
        messages=_messages(row),
        expected=Expected(kind, _answers(row, kind), declines=_declines(row)),
        adapter=_text(row, "adapter"),
    )


def _messages(row: Mapping[str, Any]) -> tuple[Message, ...]:
    given = next((row[name] for name in ASKED_BY if row.get(name)), None)
    if isinstance(given, str):
        return ({"role": "user", "content": given},)
    if isinstance(given, list) and all(_is_message(one) for one in given):
        return tuple(given)
    raise ValueError(
        "it asks nothing; give question (a text) or messages (objects with role and content)"
    )


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("role"), str) and "content" in one


def _answers(row: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    given = next((row[name] for name in ANSWERED_BY if name in row), None)
    answers = _listed(given)
    if not answers and kind not in NEEDS_NO_ANSWER:
        raise ValueError(f"it has no answer, which verifier {kind} compares with")
    if kind == "regex":
        for answer in answers:
            if wrong := pattern_problem(answer):
                raise ValueError(f"answer {answer!r} is no regular expression of Python: {wrong}")
    return answers


def _listed(given: Any) -> tuple[str, ...]:
    many: Sequence[Any] = given if isinstance(given, list) else [given]
    return tuple(
        one if isinstance(one, str) else json.dumps(one) for one in many if one is not None
    )


def _declines(row: Mapping[str, Any]) -> bool:
    declines = row.get("refuse", True)
    if not isinstance(declines, bool):
        raise ValueError(f"refuse {declines!r}: it must be true or false")  # noqa: TRY004
    return declines


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name) or ""
    if not isinstance(value, str):
        raise ValueError(f"{name} {value!r}: it must be a text")  # noqa: TRY004
    return value
