"""What a verifier says of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Check", "Draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that is checked: one choice's text, and what it answers.

    ``fields`` are the request's body, ``finish`` why the model stopped (``length`` when it was cut
    off), ``calls_tools`` that it speaks through tools. ``question`` is the text that was asked.
    """

    text: str
    fields: Mapping[str, Any]
    finish: str = ""
    calls_tools: bool = False
    question: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One verifier's word on an answer.

    ``passed`` is None where it has nothing to say of such an answer. ``confidence`` is its own
    probability that the answer is right, where it gave one. ``failed`` says that it could not give
    a word at all.
    """

    name: str
    passed: bool | None
    detail: str = ""
    confidence: float | None = None
    failed: bool = False

    @classmethod
    def yes(cls, name: str, detail: str = "") -> Check:
        """The answer passes."""
        return cls(name, passed=True, detail=detail)

    @classmethod
    def no(cls, name: str, detail: str) -> Check:
        """The answer does not pass."""
        return cls(name, passed=False, detail=detail)

    @classmethod
    def silent(cls, name: str, detail: str) -> Check:
        """The verifier could not give a word."""
        return cls(name, passed=None, detail=detail, failed=True)

    def describe(self) -> dict[str, Any]:
        """Tell it in JSON's types."""
        return {
            "name": self.name,
            "passed": self.passed,
            "detail": self.detail,
            "confidence": self.confidence,
        }
