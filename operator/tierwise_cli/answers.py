"""What the router told: the answer, and the headers that say who gave it and why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tierwise_cli.errors import RefusedError

__all__ = ["Provenance", "Told", "deltas", "dollars", "text_of"]

_DATA = "data:"
_DONE = "[DONE]"
_EXTERNAL = "external"
_ANSWERED = re.compile(r": answered (\S+=([0-9.]+)(?:<[0-9.]+)?), ([0-9.]+) USD")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who answered, how sure it is, what it cost, and the way the request took.

    Attributes:
        confidence: 0 to 1; None where the router could not tell yet, as at a stream's start.
        cost_usd: Cost of the whole request in USD; None likewise.
        way: Each Specialist that was tried, with its confidence, as the router tells it.
    """

    specialist: str
    tier: str
    decision: str
    confidence: float | None
    cost_usd: float | None
    way: str

    @staticmethod
    def of(headers: Mapping[str, str]) -> Provenance:
        """Read the x-tierwise headers; one that is missing is empty.

        >>> Provenance.of({"x-tierwise-specialist": "demo/sorter", "x-tierwise-confidence": "0.9"})
        Provenance(specialist='demo/sorter', tier='', decision='', confidence=0.9, cost_usd=None, \
way='')
        """
        return Provenance(
            specialist=headers.get("x-tierwise-specialist", ""),
            tier=headers.get("x-tierwise-tier", ""),
            decision=headers.get("x-tierwise-decision", ""),
            confidence=_number(headers.get("x-tierwise-confidence")),
            cost_usd=_number(headers.get("x-tierwise-cost-usd")),
            way=headers.get("x-tierwise-path", ""),
        )

    def at_the_end(self, comments: Iterable[str]) -> Provenance:
        """What a stream's last comment tells; its headers were written before its answer.

        Where there is none, as of a Specialist asked by name, nobody knows the cost yet.

        >>> begun = Provenance("demo/sorter", "", "d-1", 0.85, 0.0, "a@l4=0.31, sorter@l4=0.85")
        >>> ended = begun.at_the_end([": ping", ": answered sorter@l4=0.97, 0.000001230 USD"])
        >>> ended.confidence, ended.cost_usd, ended.way
        (0.97, 1.23e-06, 'a@l4=0.31, sorter@l4=0.97')
        >>> begun.at_the_end([]).cost_usd is None
        True
        """
        ends = [found for line in comments if (found := _ANSWERED.fullmatch(line.strip()))]
        if not ends:
            return replace(self, cost_usd=None)
        step, confidence, usd = ends[-1].groups()
        before = self.way.rpartition(", ")[0]
        way = f"{before}, {step}" if before else step
        return replace(self, confidence=float(confidence), cost_usd=float(usd), way=way)

    def rows(self) -> Iterator[tuple[str, str]]:
        """What to show a person: a label and a text for each thing that is known."""
        places = {"": "", _EXTERNAL: " (external)"}
        yield "answered by", self.specialist + places.get(self.tier, f" on {self.tier}")
        if self.confidence is not None:
            yield "confidence", f"{self.confidence:.2f}"
        if self.cost_usd is not None:
            yield "cost", dollars(self.cost_usd)
        if self.way:
            yield "way", self.way.replace(", ", " → ")
        if self.decision:
            yield "decision", self.decision
            yield "why", f"tierwise explain {self.decision}"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer with its provenance."""

    answer: str
    model: str
    provenance: Provenance

    def as_json(self) -> dict[str, Any]:
        """The answer for another program."""
        return {
            "answer": self.answer,
            "model": self.model,
            "specialist": self.provenance.specialist,
            "tier": self.provenance.tier,
            "confidence": self.provenance.confidence,
            "costUSD": self.provenance.cost_usd,
            "path": self.provenance.way,
            "decision": self.provenance.decision,
        }


def dollars(usd: float) -> str:
    """A price with three significant digits and no exponent, however small.

    >>> dollars(0.00000123456), dollars(2.5), dollars(0)
    ('$0.00000123', '$2.5', '$0')
    """
    return f"${Decimal(f'{usd:.3g}'):f}"


def text_of(completion: Mapping[str, Any]) -> str:
    """The text of a chat completion; a refusal of the model is a text too.

    >>> text_of({"choices": [{"message": {"content": "abcd"}}]})
    'abcd'
    """
    message = completion["choices"][0]["message"]
    return str(message.get("content") or message.get("refusal") or "")


def deltas(lines: Iterable[str], comments: list[str] | None = None) -> Iterator[str]:
    """The pieces of text of a streamed chat completion, from its server-sent events.

    Comments are added to the list given.

    >>> event = 'data: {"choices": [{"delta": {"content": "ab"}}]}'
    >>> comments = []
    >>> list(deltas([event, "", ": ping", "data: [DONE]"], comments)), comments
    (['ab'], [': ping'])
    """
    for event in events(lines, comments):
        for choice in event.get("choices", ()):
            piece = choice.get("delta", {}).get("content")
            if piece:
                yield piece


def events(lines: Iterable[str], comments: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The JSON of each event up to the closing one.

    Raises:
        RefusedError: the router reports in the stream that the rest of the answer is lost.
    """
    for line in lines:
        if comments is not None and line.startswith(":"):
            comments.append(line)
        if not line.startswith(_DATA):
            continue
        data = line.removeprefix(_DATA).strip()
        if data == _DONE:
            return
        event = json.loads(data)
        if "error" in event:
            raise RefusedError(event["error"]["message"], kind="stream_broken", status=200)
        yield event


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
