"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "Outcome", "worst"]


class Outcome(StrEnum):
    """How it stands: fine, worth a look, or broken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


_SEVERITY = (Outcome.OK, Outcome.WARN, Outcome.FAIL)


@dataclass(frozen=True, slots=True)
class Check:
    """One check's result.

    Attributes:
        name: What was looked at, in one word.
        status: How it stands.
        summary: What was seen, in one line.
        fix: What to do about it; empty when nothing is to be done.
        details: More lines, one for each object that is not as it should be.
    """

    name: str
    status: Outcome
    summary: str
    fix: str = ""
    details: tuple[str, ...] = ()


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The gravest of several outcomes; ok if there are none.

    >>> worst([Outcome.OK, Outcome.FAIL, Outcome.WARN])
    <Outcome.FAIL: 'fail'>
    >>> worst([])
    <Outcome.OK: 'ok'>
    """
    return max(outcomes, key=_SEVERITY.index, default=Outcome.OK)
