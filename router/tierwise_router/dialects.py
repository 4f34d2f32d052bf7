"""How each endpoint asks for log-probabilities and says them: chat, completions, responses.

A cascade reads three things of an answer, whole or in pieces: how likely its tokens were, whether
a choice has ended, and what was used. Everything else passes through as the engine wrote it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final, NamedTuple, Protocol

from tierwise_router.answers import output_texts
from tierwise_router.call import CHAT, COMPLETIONS, RESPONSES
from tierwise_router.token_event import Token, read_token

__all__ = ["BREAKING_MARKS", "DIALECTS", "Dialect", "Piece"]

Fields = dict[str, Any]
OUTPUT_LOGPROBS: Final = "message.output_text.logprobs"
LAST_EVENTS: Final = frozenset({"response.completed", "response.incomplete"})
FAILED_EVENTS: Final = frozenset({"error", "response.failed"})
BREAKING_MARKS: Final[Mapping[str, tuple[bytes, ...]]] = {
    CHAT: (b'data: {"error"',),
    COMPLETIONS: (b'data: {"error"',),
    RESPONSES: (b'data: {"error"', b"event: error\n", b"event: response.failed\n"),
}
"""What a stream that is passed on unread says where its engine fails. No text of an answer can say
it: there quotes and ends of lines are escaped."""


class Piece(NamedTuple):
    """What one event says of one choice: new tokens, whether it spoke, whether it ended."""

    choice: int
    logprobs: list[float]
    spoke: bool
    ended: bool


class Dialect(Protocol):
    """What a cascade needs to know of an endpoint.

    ``done`` says that a stream's last event is ``[DONE]``.
    """

    done: bool

    def ask_logprobs(self, fields: Fields) -> None:
        """Ask for the log-probability of every token of the answer."""

    def wants_logprobs(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether the client asked for them itself."""

    def longest(self, fields: Mapping[str, Any]) -> int | None:
        """Give the most tokens the client allows an answer, None where it does not say."""

    def choices(self, fields: Mapping[str, Any]) -> int:
        """Count the choices that will be answered."""

    def token(self, data: bytes) -> Token | None:
        """Read an event that is one token and nothing else, unparsed; None for all others."""

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        """Read an event of a stream; raises what malformed ones do (KeyError, TypeError, ...)."""

    def failure(self, event: Mapping[str, Any]) -> str:
        """Give the message of an event that ends a stream with an error; empty for others."""

    def hide(self, event: MutableMapping[str, Any]) -> None:
        """Take the log-probabilities out of an event or a whole answer, in place."""

    def says_nothing(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event is there for its log-probabilities alone, which we asked for."""

    def usage(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Find the usage in an event or a whole answer."""


class _Choices(ABC):
    """What chat and completions have in common: a list of choices."""

    done = True

    def wants_logprobs(self, fields: Mapping[str, Any]) -> bool:
        # 0 is a wish in completions.
        wish = fields.get("logprobs")
        return wish is not None and wish is not False

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        for choice in event["choices"]:
            found = choice.get("logprobs")
            yield Piece(
                choice.get("index", 0),
                [] if found is None else list(self._logprobs(found)),
                self._spoke(choice),
                choice.get("finish_reason") is not None,
            )

    def failure(self, event: Mapping[str, Any]) -> str:
        error = event.get("error")
        if error is None:
            return ""
        message = error.get("message") if isinstance(error, dict) else error
        return str(message or "an error without a message")

    def hide(self, event: MutableMapping[str, Any]) -> None:
        for choice in event.get("choices") or ():
            if choice.get("logprobs") is not None:
                choice["logprobs"] = None

    def says_nothing(self, event: Mapping[str, Any]) -> bool:
        choices: list[dict[str, Any]] = event["choices"]
        return bool(choices) and all(
            choice.get("delta") == {}
            and choice.get("finish_reason") is None
            and not choice.get("token_ids")
            for choice in choices
        )

    def usage(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        found = event.get("usage")
        return found if isinstance(found, dict) else None

    @abstractmethod
    def _spoke(self, choice: Mapping[str, Any]) -> bool:
        """Tell whether a choice of a stream's event says anything to the client."""

    @abstractmethod
    def _logprobs(self, found: Mapping[str, Any]) -> Iterator[float]:
        """Yield the tokens' own log-probabilities."""


class Chat(_Choices):
    """``/chat/completions``.

    >>> event = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None,
    ...                       "logprobs": {"content": [{"token": "a", "logprob": -0.5}]}}]}
    >>> list(Chat().pieces(event))
    [Piece(choice=0, logprobs=[-0.5], spoke=True, ended=False)]
    """

    def ask_logprobs(self, fields: Fields) -> None:
        """Ask for the token's own, without those it was chosen before."""
        fields["logprobs"] = True

    def longest(self, fields: Mapping[str, Any]) -> int | None:
        """``max_completion_tokens``, or the older ``max_tokens``."""
        return _whole(fields.get("max_completion_tokens")) or _whole(fields.get("max_tokens"))

    def choices(self, fields: Mapping[str, Any]) -> int:
        """``n``."""
        return _whole(fields.get("n")) or 1

    def token(self, data: bytes) -> Token | None:
        """Read it as vLLM writes it."""
        return read_token(data)

    def _spoke(self, choice: Mapping[str, Any]) -> bool:
        delta = choice.get("delta") or {}
        return any(value for name, value in delta.items() if name != "role")

    def _logprobs(self, found: Mapping[str, Any]) -> Iterator[float]:
        for token in found.get("content") or ():
            yield token["logprob"]


class Completions(_Choices):
    """``/completions``, whose prompt may be many prompts.

    >>> Completions().choices({"prompt": ["a", "b"], "n": 2}), Completions().choices({})
    (4, 1)
    """

    def ask_logprobs(self, fields: Fields) -> None:
        """Ask for the token's own; 0 would do, but some engines read it as none."""
        fields["logprobs"] = 1

    def longest(self, fields: Mapping[str, Any]) -> int | None:
        """``max_tokens``; a prompt that is echoed counts too, so that nobody knows."""
        return None if fields.get("echo") else _whole(fields.get("max_tokens"))

    def choices(self, fields: Mapping[str, Any]) -> int:
        """``n`` for each prompt; a list of numbers is one prompt."""
        prompt = fields.get("prompt")
        many = isinstance(prompt, list) and prompt and not isinstance(prompt[0], int)
        return (_whole(fields.get("n")) or 1) * (len(prompt) if many else 1)  # type: ignore[arg-type]

    def token(self, data: bytes) -> None:
        """Have all of them parsed."""

    def _spoke(self, choice: Mapping[str, Any]) -> bool:
        return bool(choice.get("text"))

    def _logprobs(self, found: Mapping[str, Any]) -> Iterator[float]:
        # The first token of an echoed prompt has none.
        yield from (value for value in found.get("token_logprobs") or () if value is not None)


class Responses:
    """``/responses``: named events, one answer, no ``[DONE]``."""

    done = False

    def ask_logprobs(self, fields: Fields) -> None:
        """Have them included in the text of the output."""
        fields["include"] = [*_list(fields.get("include")), OUTPUT_LOGPROBS]

    def wants_logprobs(self, fields: Mapping[str, Any]) -> bool:
        """``include`` names them."""
        return OUTPUT_LOGPROBS in _list(fields.get("include"))

    def longest(self, fields: Mapping[str, Any]) -> int | None:
        """``max_output_tokens``."""
        return _whole(fields.get("max_output_tokens"))

    def choices(self, fields: Mapping[str, Any]) -> int:  # noqa: ARG002 - there is always one
        """One."""
        return 1

    def token(self, data: bytes) -> None:
        """Have all of them parsed."""

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        """Read the events that carry text, and the last one.

        >>> list(Responses().pieces({"type": "response.completed", "response": {}}))
        [Piece(choice=0, logprobs=[], spoke=False, ended=True)]
        """
        kind = event.get("type", "")
        if kind in LAST_EVENTS:
            yield Piece(0, [], spoke=False, ended=True)
        elif kind.endswith(".delta"):
            tokens = event.get("logprobs") or ()
            yield Piece(0, [token["logprob"] for token in tokens], spoke=True, ended=False)

    def failure(self, event: Mapping[str, Any]) -> str:
        """Read ``error`` and ``response.failed``, and the error that an engine writes bare."""
        if event.get("type") not in FAILED_EVENTS and event.get("error") is None:
            return ""
        inner = event.get("response") or {}
        error = event.get("error") or inner.get("error") or event
        return str(error.get("message") or "an error without a message")

    def hide(self, event: MutableMapping[str, Any]) -> None:
        """Empty them wherever an event or an answer has some."""
        whole = event.get("response") or event
        for item in (event, event.get("part"), *_texts(event.get("item")), *output_texts(whole)):
            if item and item.get("logprobs"):
                item["logprobs"] = []

    def says_nothing(self, event: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Every event of this protocol says something by its name."""
        return False

    def usage(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The last event has it, and the whole answer."""
        whole = event.get("response") or event
        found = whole.get("usage")
        return found if isinstance(found, dict) else None


def _texts(item: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    content = item.get("content") if item else None
    yield from (part for part in content or () if isinstance(part, dict))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: object) -> int | None:
    """Read a count; what is none is the engine's to refuse.

    >>> _whole(3), _whole(0), _whole("3"), _whole(True)
    (3, None, None, None)
    """
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


DIALECTS: Final[Mapping[str, Dialect]] = {
    CHAT: Chat(),
    COMPLETIONS: Completions(),
    RESPONSES: Responses(),
}
"""The endpoints at which the router may choose the model (``auto``)."""
