"""Claims: what each Specialist answered to the same question, and where two answers do not agree.

Answers are not kept here, only digests: equal answers have equal ones, and an answer that is too
long to be compared word by word has none. A free text of a hundred words is not contradicted by
another one that says it differently.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tierwise_core.agreement import SHORT_WORDS, WORD
from tierwise_core.query import normalise
from tierwise_core.wilson import interval

__all__ = [
    "LEAST_COMPARED",
    "Claim",
    "Contradictions",
    "Standing",
    "answer_id",
    "context_id",
    "standings",
]

ID_DIGITS: Final = 16
LEAST_COMPARED: Final = 20
"""Of fewer comparable answers no rate is told, only the interval it may lie in."""

OPENS_JSON: Final = frozenset("{[")
MOST_JSON: Final = 16_384
MOST_TEXT: Final = 400
"""Characters: names are made beside requests, and twelve words do not take more."""

CHANGES_THE_ANSWER: Final = frozenset(
    {
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "response_format",
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "stop",
        "suffix",
    }
)


def answer_id(text: str) -> str:
    """Name an answer, so that answers which say the same share the name; empty for a long text.

    JSON is named by its values, whatever its blanks and the order of its keys; a short answer by
    its words. Longer ones have no name: they cannot be compared word by word.

    >>> answer_id("ABCD.") == answer_id(" abcd"), answer_id("abcd") == answer_id("abdc")
    (True, False)
    >>> answer_id('{"a": 1, "b": 2}') == answer_id('{"b":2,"a":1}')
    True
    >>> answer_id("one two " * 10), answer_id("  ")
    ('', '')
    """
    if len(text) > MOST_JSON:
        return ""
    as_json = _as_json(text)
    if as_json is not None:
        return _digest("json", as_json)
    if len(text) > MOST_TEXT:
        return ""
    plain = normalise(text)
    # Each word has a character at least.
    if not plain or (len(plain) > SHORT_WORDS and len(WORD.findall(plain)) > SHORT_WORDS):
        return ""
    return _digest("text", plain)


def context_id(body: Mapping[str, Any]) -> str:
    """Name what besides the question decides the answer; empty for a question that stands alone.

    The other messages of a chat, its tools and the form that is asked for. The same question in
    another conversation is another question:

    >>> question = {"role": "user", "content": "and sort it"}
    >>> context_id({"messages": [question]})
    ''
    >>> before = {"role": "assistant", "content": "cba"}
    >>> context_id({"messages": [before, question]}) == context_id({"messages": [question]})
    False
    """
    messages = body.get("messages")
    # Most questions are a chat's only message.
    alone = isinstance(messages, list) and len(messages) == 1 and _is_question(messages[0])
    others = () if alone else _others(messages)
    told = {}
    if not CHANGES_THE_ANSWER.isdisjoint(body):
        told = {name: body[name] for name in CHANGES_THE_ANSWER if body.get(name) is not None}
    if not others and not told:
        return ""
    hashed = sha256(b"context")
    for message in others:
        for part in (message.get("role"), message.get("content")):
            hashed.update(_bytes(part))
    if told:
        hashed.update(_bytes(told))
    return hashed.hexdigest()[:ID_DIGITS]


def _is_question(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"


def _others(messages: object) -> Sequence[Mapping[str, Any]]:
    """Give the messages of a chat but the last one of a user, which is the question."""
    if not isinstance(messages, list):
        return []
    some = [message for message in messages if isinstance(message, Mapping)]
    for at in reversed(range(len(some))):
        if some[at].get("role") == "user":
            return some[:at] + some[at + 1 :]
    return some


def _bytes(part: object) -> bytes:
    """Write a part so that two that follow each other are never taken for one; a text is fast."""
    text = part if isinstance(part, str) else json.dumps(part, sort_keys=True, default=str)
    plain = text.encode("utf-8", "surrogatepass")
    return b"%d:%s;" % (len(plain), plain)


def _as_json(text: str) -> str | None:
    if text.lstrip()[:1] not in OPENS_JSON:
        return None
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def _digest(kind: str, text: str) -> str:
    return sha256(f"{kind}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:ID_DIGITS]


@dataclass(frozen=True, slots=True)
class Claim:
    """One answer to a question: who said it, how sure, and what is known of it.

    ``verdict`` is True for an answer that a person or a verifier took for right, False for wrong,
    None where nobody said. ``by_people`` tells that a person or program said so, which counts for
    more than a verifier. ``at`` is in seconds since the epoch.
    """

    decision: str
    position: int
    specialist: str
    revision: str
    field: str
    answer: str
    confidence: float
    at: float
    verdict: bool | None = None
    by_people: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a claim stands among the others to the same question.

    ``compared`` if there was something to compare it with; ``contradicts`` is what it is at odds
    with, ``known`` for the right answer or the claim's ``DECISION/POSITION``; empty if nothing.
    """

    compared: bool
    contradicts: str = ""


def standings(claims: Sequence[Claim], right: str = "") -> tuple[Standing, ...]:
    """Compare the claims to one question with each other, and with the right answer if it is known.

    ``right`` is the answer that a person gave as the right one. Without it, the right answer is
    what people took for right last, then what verifiers did if all that they took for right is the
    same. Where nothing is known, the answer that more claims give than any other stands, and the
    others contradict it; among equally many, all contradict.

    Two say 42 and one 41, first with nothing known, then the one was right:

    >>> said = [Claim(f"d-{n}", 0, "demo/adder", "r1", "sums", a, 0.9, n)
    ...     for n, a in enumerate(("42", "42", "41"))]
    >>> [standing.contradicts for standing in standings(said)]
    ['', '', 'd-0/0']
    >>> [standing.contradicts for standing in standings(said, right="41")]
    ['known', 'known', '']
    """
    known = right or _known(claims)
    comparable = [claim for claim in claims if claim.answer]
    if known:
        return tuple(_against_known(claim, known) for claim in claims)
    if len(comparable) < 2:  # noqa: PLR2004 - one alone
        return tuple(Standing(compared=False) for _ in claims)
    stands = _plurality(comparable)
    return tuple(_against_others(claim, stands, comparable) for claim in claims)


def _known(claims: Sequence[Claim]) -> str:
    taken = [claim for claim in claims if claim.verdict and claim.answer]
    by_people = [claim for claim in taken if claim.by_people]
    if by_people:
        return max(by_people, key=lambda claim: (claim.at, claim.decision)).answer
    verified = {claim.answer for claim in taken}
    # What one claim alone was taken for is no comparison yet.
    return verified.pop() if len(verified) == 1 and len(claims) > 1 else ""


def _against_known(claim: Claim, known: str) -> Standing:
    if not claim.answer:
        return Standing(compared=False)
    return Standing(compared=True, contradicts="" if claim.answer == known else "known")


def _plurality(claims: Sequence[Claim]) -> str:
    """Give the answer that most claims give; empty if there are several such."""
    counts = Counter(claim.answer for claim in claims).most_common(2)
    alone = len(counts) == 1 or counts[0][1] > counts[1][1]
    return counts[0][0] if alone else ""


def _against_others(claim: Claim, stands: str, others: Sequence[Claim]) -> Standing:
    if not claim.answer:
        return Standing(compared=False)
    if claim.answer == stands:
        return Standing(compared=True)
    at_odds = next((one for one in others if one.answer == stands), None) or next(
        one for one in others if one.answer != claim.answer
    )
    return Standing(compared=True, contradicts=f"{at_odds.decision}/{at_odds.position}")


@dataclass(frozen=True, slots=True)
class Contradictions:
    """How often answers contradict, with the 95 % interval that so many comparisons allow.

    >>> few, enough = Contradictions(10, 1), Contradictions(200, 6)
    >>> few.rate, enough.rate
    (None, 0.03)
    >>> [round(bound, 3) for bound in few.interval]
    [0.018, 0.404]
    """

    compared: int = 0
    contradicted: int = 0

    @property
    def rate(self) -> float | None:
        """The share that contradicts; None as long as too few could be compared."""
        if self.compared < LEAST_COMPARED:
            return None
        return self.contradicted / self.compared

    @property
    def interval(self) -> tuple[float, float]:
        """Where the rate lies, with a confidence of 95 %; everything is possible without any."""
        if not self.compared:
            return (0.0, 1.0)
        return interval(self.contradicted / self.compared, self.compared)
