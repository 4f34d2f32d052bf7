"""A Specialist's stream, judged while it arrives.

Until it is accepted, its events are held; what goes to the client is the engine's own events,
without what the client did not ask for.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tierwise_core.confidence import token_probability
from tierwise_core.cost import Usage
from tierwise_core.early import Early, Outlook, early_verdict, outlook, prefix_confidence
from tierwise_core.policy_streaming import StreamingPolicy
from tierwise_core.routing import Hop
from tierwise_router.answers import read_usage
from tierwise_router.dialects import Dialect, Piece
from tierwise_router.errors import UpstreamDiedError
from tierwise_router.events import DONE_DATA, Event, EventReader
from tierwise_router.upstream.response import Response

__all__ = ["JudgedStream", "Wishes"]

HELD_LIMIT_BYTES: Final = 32 * 1024 * 1024
NO_NUMBER: Final = math.nan
NUMBERS: Final = (float, int)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the client gets to see: log-probabilities, and usage at the end or in every event."""

    logprobs: bool
    usage: bool
    choices: int = 1


@dataclass(slots=True)
class _Choice:
    """One choice so far: its tokens, the least likely of them, and what spoke without any."""

    tokens: int = 0
    lowest: float = 1.0
    silent: int = 0
    ended: bool = False

    def take_token(self, logprob: float) -> None:
        likely = token_probability(logprob)
        self.lowest = min(self.lowest, likely)
        self.tokens += 1

    def take(self, piece: Piece) -> None:
        for value in piece.logprobs:
            likely = token_probability(value if type(value) in NUMBERS else NO_NUMBER)
            self.lowest = min(self.lowest, likely)
        self.tokens += len(piece.logprobs)
        self.silent += piece.spoke and not piece.logprobs
        self.ended = self.ended or piece.ended


@dataclass(slots=True)
class JudgedStream:
    """One stream; ask :meth:`decide` first, and read :meth:`flow` if that accepts.

    ``longest`` is the most tokens the answer may have, None where nobody knows.
    """

    response: Response
    hop: Hop
    dialect: Dialect
    policy: StreamingPolicy
    wishes: Wishes
    longest: int | None = None
    usage: Usage | None = None
    complete: bool = False
    failure: str = ""
    _reader: EventReader = field(default_factory=EventReader)
    _choices: dict[int, _Choice] = field(default_factory=dict)
    _held: list[bytes] = field(default_factory=list)
    _held_bytes: int = 0

    @property
    def confidence(self) -> float:
        """What is thought of the answer so far; of several choices the least sure one counts."""
        predicted = self.hop.predicted_confidence
        return min(
            (prefix_confidence(predicted, one.lowest, one.tokens) for one in self._seen()),
            default=0.0 if self.complete else predicted,
        )

    @property
    def tokens(self) -> int:
        """The tokens of the longest choice so far."""
        return max((one.tokens for one in self._seen()), default=0)

    @property
    def all_tokens(self) -> int:
        """The tokens of all choices so far."""
        return sum(one.tokens for one in self._seen())

    def _seen(self) -> list[_Choice]:
        return list(self._choices.values())

    async def decide(self) -> tuple[Early, str]:
        """Read until the stream may flow, must not, or has ended; WAIT means that it has.

        Raises UpstreamError when the engine dies or writes what is no stream of this endpoint.
        """
        while not self.complete:
            await self._read()
            if self.failure:
                raise UpstreamDiedError(f"model {self.hop.route.key!r} answered: {self.failure}")
            if (found := self._verdict())[0] is not Early.WAIT:
                return found
        return Early.WAIT, "the whole answer is known"

    async def flow(self) -> AsyncIterator[bytes]:
        """Yield what the client gets: what was held, then what arrives, up to ``[DONE]``.

        That one is not yielded. Stops at an error event of the engine (``failure`` says it), and
        raises UpstreamError when the engine dies.
        """
        while True:
            if self._held:
                held, self._held, self._held_bytes = b"".join(self._held), [], 0
                yield held
            if self.complete or self.failure:
                return
            await self._read()

    async def _read(self) -> None:
        data = await self.response.chunk()
        if not data:
            self._end()
            return
        for event in self._reader.feed(data):
            if event.data == DONE_DATA:
                self.complete = True
            if self.complete or self.failure:
                return
            self._take(event)

    def _end(self) -> None:
        """Say whether an end without ``[DONE]`` is one: every choice must have said why."""
        ended = [one.ended for one in self._seen()]
        if len(ended) < self.wishes.choices or not all(ended):
            raise UpstreamDiedError(f"model {self.hop.route.key!r} ended its stream too early")
        self.complete = True

    def _take(self, event: Event) -> None:
        token = None if event.name else self.dialect.token(event.data)
        if token is None:
            self._take_parsed(event)
            return
        choice = self._choices.get(token.choice)
        if choice is None:
            choice = self._choices[token.choice] = _Choice()
        choice.take_token(token.logprob)
        self._keep(event.data if self.wishes.logprobs else token.shown)

    def _take_parsed(self, event: Event) -> None:
        try:
            fields = orjson.loads(event.data)
            self.failure = self.dialect.failure(fields)
            for piece in () if self.failure else self.dialect.pieces(fields):
                self._choices.setdefault(piece.choice, _Choice()).take(piece)
            self._note_usage(fields)
            self._hold(event, fields)
        except (ValueError, TypeError, KeyError, AttributeError):
            shown = event.data[:80].decode("utf-8", "replace")
            raise UpstreamDiedError(
                f"model {self.hop.route.key!r} sent an event that this endpoint has not: {shown!r}"
            ) from None
        if not self.dialect.done and all(one.ended for one in self._seen()) and self._choices:
            self.complete = True

    def _note_usage(self, fields: dict[str, Any]) -> None:
        found = read_usage(self.dialect.usage(fields))
        if found is not None:
            self.usage = found

    def _hold(self, event: Event, fields: dict[str, Any]) -> None:
        shown = self._shown(event, fields)
        if shown is None:
            return
        self._keep(shown, b"event: %s\n" % event.name if event.name else b"")

    def _keep(self, shown: bytes, name: bytes = b"") -> None:
        whole = b"%sdata: %s\n\n" % (name, shown)
        self._held.append(whole)
        self._held_bytes += len(whole)
        if self._held_bytes > HELD_LIMIT_BYTES:
            raise UpstreamDiedError(f"model {self.hop.route.key!r} answered more than 32 MiB")

    def _shown(self, event: Event, fields: dict[str, Any]) -> bytes | None:
        """Make what the client sees of an event; the engine's own bytes where nothing changes."""
        if self.dialect.done and not self.wishes.usage and "usage" in fields:
            # Asked for by us, to know what the answer costs.
            if not fields.get("choices"):
                return None
            del fields["usage"]
        elif self.wishes.logprobs and b"\n" not in event.data:
            return event.data
        if not self.wishes.logprobs:
            if self.dialect.says_nothing(fields):
                return None
            self.dialect.hide(fields)
        return orjson.dumps(fields)

    def _verdict(self) -> tuple[Early, str]:
        if self.complete or len(self._choices) < self.wishes.choices:
            return Early.WAIT, "not every choice has begun"
        seen = self._seen()
        found = [self._verdict_of(one) for one in seen]
        if seen[0].ended and found[0][0] is not Early.ACCEPT and all(one.ended for one in seen):
            return Early.WAIT, "the usage is still to come"
        for wanted in (Early.REJECT, Early.WAIT):
            for action, reason in found:
                if action is wanted:
                    return action, reason
        return found[0]

    def _verdict_of(self, one: _Choice) -> tuple[Early, str]:
        floor, predicted = self.hop.floor, self.hop.predicted_confidence
        if one.ended or (not one.tokens and one.silent >= self.policy.early_tokens):
            # Nothing more will be known of it: it has ended, or it never tells how likely it is.
            now = prefix_confidence(predicted, one.lowest, one.tokens)
            seen = Outlook(now, now, now)
        else:
            seen = outlook(predicted, one.lowest, one.tokens, self.longest)
        return early_verdict(seen, floor, one.tokens, self.policy)
