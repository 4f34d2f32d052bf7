"""What a request asks: the text to classify, and the canonical ids that equal questions share.

Three ids. :func:`query_id` is of the question itself: what differs in typing, or in politeness, is
one question. :func:`template_id` is of its form: what differs in numbers, quoted texts, addresses
and codes has one form and, mostly, one kind of answer, but not one answer. And
:mod:`tierwise_core.likeness` names its words, so that questions that are nearly one can be found.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = [
    "asked_text",
    "canonical",
    "canonical_id",
    "chat_text",
    "completion_text",
    "normalise",
    "query_id",
    "request_text",
    "template",
    "template_id",
]

ID_DIGITS: Final = 16
TRAILING: Final = " .!?;,:。"

TYPED: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
"""Quotes, dashes and what cannot be seen, as a keyboard has them."""

PLEASE_FIRST: Final = re.compile(
    r"(?:(?:hi|hello|hey|dear \w+|good (?:morning|afternoon|evening))(?: there)?[,!.] ?"
    r"|(?:please|kindly)[, ] ?(?:(?:can|could|would|will) you )?"
    r"|(?:can|could|would|will) you (?:please|kindly) "
    r"|i(?:'d| would) like you to |i want you to )+(?=\S)"
)
THANKS_LAST: Final = re.compile(
    r"(?:,? ?(?<=[,.?!] )please|(?<=[.?!] )(?:many thanks|thanks|thank you)"
    r"(?: (?:a lot|very much|in advance|so much))?)$"
)
THOUSANDS: Final = re.compile(r"(?<![^\s$\u20ac\u00a3])[1-9]\d{0,2}(?:,\d{3})+(?![^\s%?!;:])")
LITERALS: Final = re.compile(
    r"```.*?```|`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|https?://\S+|\S+@\S+\.\S+"
    r"|\b(?=\w*\d)(?=\w*[a-z])\w{6,}\b|(?<!\w)[-+]?\d[\d.,]*(?:e[-+]?\d+)?%?|\S{28,}",
    re.DOTALL,
)
MASK: Final = "\u2026"


def normalise(text: str) -> str:
    """Bring questions that differ only in how they are typed to one form.

    Unicode NFKC, quotes and dashes as a keyboard has them, digits of any script as 0 to 9, case
    folded, runs of whitespace as one space, no punctuation at the end. Doing it again changes
    nothing.

    >>> normalise("  Sort   DBCA ?!")
    'sort dbca'
    """
    # Folding the case may undo NFKC, and the other way round; twice is enough for both to hold.
    folded = text.lower() if text.isascii() else _folded(_folded(text))
    return " ".join(folded.split()).rstrip(TRAILING)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).translate(TYPED).casefold()
    return "".join(map(_digit, unicodedata.normalize("NFKC", plain)))


def _digit(character: str) -> str:
    return str(unicodedata.decimal(character, character))


def canonical(text: str) -> str:
    """Bring questions that differ in typing, in politeness or in 1,000 for 1000 to one form.

    Only what cannot change the answer is left out: a greeting or a please in front, a please
    behind a comma, thanks behind the end of a sentence. ``can you swim`` is a question of its own.

    >>> canonical("Hello! Could you please sort DBCA? Thank you very much!")
    'sort dbca'
    >>> canonical("add 1,000 and 2"), canonical("how do you say thank you?")
    ('add 1000 and 2', 'how do you say thank you')
    """
    question = normalise(text)
    while True:
        shorter = question
        found = PLEASE_FIRST.match(shorter)
        if found is not None:
            shorter = shorter[found.end() :]
        if shorter.endswith(LAST_WORDS):
            shorter = THANKS_LAST.sub("", shorter).rstrip(TRAILING) or shorter
        if "," in shorter:
            shorter = THOUSANDS.sub(lambda number: number[0].replace(",", ""), shorter)
        if shorter == question:
            return question
        question = shorter


LAST_WORDS: Final = ("please", "thanks", "you", "lot", "much", "advance")


def query_id(text: str) -> str:
    """Name a question: equal for texts with an equal canonical form, on every machine.

    >>> query_id("Sort dbca!") == query_id("please sort  DBCA")
    True
    >>> query_id("add 2 and 3") == query_id("add 4 and 5")
    False
    """
    return canonical_id(canonical(text))


def canonical_id(question: str) -> str:
    """Name a question that has its canonical form already.

    >>> canonical_id("sort dbca") == query_id("Please sort DBCA!")
    True
    """
    return _named(question)


def template(text: str) -> str:
    """Mask what fills the form of a question: numbers, quoted texts, code, addresses, codes.

    >>> template("Add 2 and 3.5")
    'add \u2026 and \u2026'
    >>> template("translate 'good morning' into Dutch")
    'translate \u2026 into dutch'
    """
    return LITERALS.sub(MASK, canonical(text))


def template_id(text: str) -> str:
    """Name the form of a question.

    >>> template_id("add 2 and 3") == template_id("please add 17 and 25")
    True
    """
    return _named(template(text))


def _named(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_DIGITS]


def request_text(body: Mapping[str, Any]) -> str:
    """Find the text to classify in the body of a chat or a completions request.

    >>> request_text({"messages": [{"role": "user", "content": "sort dbca"}]})
    'sort dbca'
    >>> request_text({"prompt": "sort dbca"})
    'sort dbca'
    """
    if "messages" in body:
        return chat_text(body["messages"])
    return completion_text(body.get("prompt", ""))


def asked_text(body: Mapping[str, Any]) -> str:
    """Find what is asked in a request's body, that of ``/responses`` included; perhaps nothing.

    >>> asked_text({"input": "sort dbca"}), asked_text({"prompt": "sort dbca"}), asked_text({})
    ('sort dbca', 'sort dbca', '')
    """
    given = body.get("input")
    return given if isinstance(given, str) else request_text(body) or chat_text(given)


def chat_text(messages: object) -> str:
    """Take the last user message of a chat: what is asked now. Of its parts, those with text.

    A chat without a user's message has no text; what is malformed is the engine's to refuse.

    >>> chat_text([
    ...     {"role": "user", "content": "reverse abc"},
    ...     {"role": "assistant", "content": "cba"},
    ...     {"role": "user", "content": [{"type": "text", "text": "and sort it"}]},
    ... ])
    'and sort it'
    """
    if not isinstance(messages, list | tuple):
        return ""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return _content_text(message.get("content"))
    return ""


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, Mapping))
    return " ".join(part for part in parts if isinstance(part, str))


def completion_text(prompt: object) -> str:
    """Take the prompt, or the first of several; token numbers cannot be classified.

    >>> completion_text(["sort dbca", "sort qwe"]), completion_text([[1, 2, 3]])
    ('sort dbca', '')
    """
    if isinstance(prompt, Sequence) and not isinstance(prompt, str | bytes):
        prompt = prompt[0] if prompt else ""
    return prompt if isinstance(prompt, str) else ""
