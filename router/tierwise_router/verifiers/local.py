"""Checks that need nobody else: the form of an answer. They take microseconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

import orjson

from tierwise_core.verifier_spec import VerifierSpec
from tierwise_router.verifiers.check import Check, Draft
from tierwise_router.verifiers.schema import check_schema

__all__ = ["LOCAL"]

NUMBER: Final = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?([eE][-+]?\d+)?%?")
LONGEST_MATCHED: Final = 100_000
SHOWN: Final = 60

LocalCheck = Callable[[VerifierSpec, Draft], Check]


def non_empty(spec: VerifierSpec, draft: Draft) -> Check:
    """Pass an answer that says something, or calls a tool.

    >>> spec = VerifierSpec("non-empty", "non-empty")
    >>> non_empty(spec, Draft("abcd", {})).passed, non_empty(spec, Draft("  ", {})).passed
    (True, False)
    """
    said = bool(draft.text.strip()) or draft.calls_tools
    return Check(spec.name, passed=said, detail="" if said else "the answer is empty")


def finished(spec: VerifierSpec, draft: Draft) -> Check:
    """Pass an answer that came to its own end.

    >>> finished(VerifierSpec("finished", "finished"), Draft("Once upon", {}, finish="length"))
    Check(name='finished', passed=False, detail='the answer was cut off at its token limit', \
confidence=None, failed=False)
    """
    cut = draft.finish == "length"
    return Check(
        spec.name, passed=not cut, detail="the answer was cut off at its token limit" if cut else ""
    )


def numeric(spec: VerifierSpec, draft: Draft) -> Check:
    """Pass an answer that is one number and nothing else.

    >>> spec = VerifierSpec("numeric", "numeric")
    >>> [numeric(spec, Draft(text, {})).passed for text in ("42", " -1,250.5 ", "about 42", "")]
    [True, True, False, False]
    """
    right = NUMBER.fullmatch(draft.text.strip()) is not None
    return Check(
        spec.name, passed=right, detail="" if right else f"{_shown(draft.text)} is no number"
    )


def length(spec: VerifierSpec, draft: Draft) -> Check:
    """Pass an answer of as many characters as are allowed.

    >>> length(VerifierSpec("short", "length", max_characters=3), Draft("abcd", {})).detail
    '4 characters; at most 3 are allowed'
    """
    count, most = len(draft.text), spec.max_characters
    if count < spec.min_characters:
        return Check.no(spec.name, f"{count} characters; at least {spec.min_characters} must be")
    if most is not None and count > most:
        return Check.no(spec.name, f"{count} characters; at most {most} are allowed")
    return Check.yes(spec.name)


def regex(spec: VerifierSpec, draft: Draft) -> Check:
    """Pass an answer in which the pattern is found; anchors make it the whole answer.

    >>> spec = VerifierSpec("order", "regex", pattern="^ORD-[0-9]{6}$")
    >>> regex(spec, Draft("ORD-123456", {})).passed, regex(spec, Draft("ORD-1", {})).passed
    (True, False)
    """
    found = _compiled(spec.pattern).search(draft.text[:LONGEST_MATCHED]) is not None
    why = "" if found else f"{_shown(draft.text)} does not match {spec.pattern!r}"
    return Check(spec.name, passed=found, detail=why)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def json(spec: VerifierSpec, draft: Draft) -> Check:
    """Pass an answer that is JSON.

    >>> json(VerifierSpec("json", "json"), Draft('{"a": 1', {})).passed
    False
    """
    if draft.calls_tools and not draft.text:
        return Check(spec.name, passed=None, detail="the answer calls a tool")
    try:
        orjson.loads(draft.text)
    except orjson.JSONDecodeError as error:
        return Check.no(spec.name, f"no JSON: {error}")
    return Check.yes(spec.name)


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


LOCAL: Final[Mapping[str, LocalCheck]] = {
    "finished": finished,
    "json": json,
    "json-schema": check_schema,
    "length": length,
    "non-empty": non_empty,
    "numeric": numeric,
    "regex": regex,
}
