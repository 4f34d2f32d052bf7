"""What goes wrong on the data path, and the one place that turns it into an HTTP answer.

::

    TierwiseError
    ├── RequestError              the client must change the request; carries its HTTP status
    │   └── ContextLengthError        it is longer than the context of whoever was to answer
    ├── BudgetSpentError          the request may make no further call, or spend no more
    ├── NobodyConfidentError      nobody is sure enough beforehand to be asked at all
    ├── EndpointUrlError          a resource has an endpoint that is no URL
    ├── NoEndpointError           (of the core) nobody can take the request now
    │   ├── WakingError               it sleeps, and was not awake in time
    │   ├── BreakerOpenError          it kept failing, and is left alone for a while
    │   ├── LedgerAwayError           nobody can say what is left of a budget
    │   └── OverloadedError           too many wait for it already
    │       └── ProviderLimitError        the provider's rate limits are used up
    └── UpstreamError             an engine pod or a provider failed us
        ├── UpstreamUnreachableError  no connection: refused, reset or too slow to connect
        ├── UpstreamDiedError         the connection ended before the answer did
        └── UpstreamTimeoutError      connected, but nothing came for too long
"""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass
from typing import Final

from tierwise_core.decision_record import ABANDONED
from tierwise_core.errors import (
    AmbiguousModelError,
    NoEndpointError,
    TierwiseError,
    UnknownModelError,
)

__all__ = [
    "ENGINE_ERROR",
    "TIME_IS_UP",
    "BreakerOpenError",
    "BudgetSpentError",
    "ContextLengthError",
    "EndpointUrlError",
    "ErrorAnswer",
    "LedgerAwayError",
    "NobodyConfidentError",
    "OverloadedError",
    "ProviderLimitError",
    "RequestError",
    "UpstreamDiedError",
    "UpstreamError",
    "UpstreamTimeoutError",
    "UpstreamUnreachableError",
    "WakingError",
    "answer_for",
    "failure_word",
]

RETRY_AFTER_S: Final = 5
RETRY_WAKING_AFTER_S: Final = 15
INVALID_REQUEST: Final = "invalid_request_error"
SERVER_ERROR: Final = "server_error"
TIMED_OUT: Final = "upstream_timeout"
ENGINE_ERROR: Final = "engine_error"
"""The failure of a stream in which its engine tells of an error."""

TIME_IS_UP: Final = "the whole request's time is up"
"""What a task is cancelled with that has taken too long."""


class EndpointUrlError(TierwiseError):
    """An endpoint's URL cannot be used; the message quotes it."""

    reason = "InvalidEndpoint"


class WakingError(NoEndpointError):
    """A Specialist that sleeps was not awake in time, or too many wait for one already."""

    reason = "Waking"


class BreakerOpenError(NoEndpointError):
    """A Specialist's breaker is open; ``retry_after_s`` is when it may be tried again."""

    reason = "BreakerOpen"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(NoEndpointError):
    """Too much is asked of the router or of a Specialist; the request was shed."""

    reason = "Overloaded"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LedgerAwayError(NoEndpointError):
    """The ledger does not answer, and without it nobody can say what is left of a budget."""

    reason = "LedgerAway"


class ProviderLimitError(OverloadedError):
    """A provider's rate limits are used up, by us or as it says."""

    reason = "ProviderLimited"


class UpstreamError(TierwiseError):
    """An engine pod or a provider did not answer properly; ``endpoint`` is which, where known."""

    reason = "UpstreamFailed"
    retryable = True
    endpoint = ""


class UpstreamUnreachableError(UpstreamError):
    """No connection could be made: it is safe to ask another endpoint."""

    reason = "UpstreamUnreachable"


class UpstreamDiedError(UpstreamError):
    """The connection ended before the answer was complete."""

    reason = "UpstreamDied"


class UpstreamTimeoutError(UpstreamError):
    """The endpoint took the request and then sent nothing for too long."""

    reason = "UpstreamTimeout"


class RequestError(TierwiseError):
    """The request itself is wrong.

    Args:
        message: what is wrong, with the field, the value and what would be right.
        status: the HTTP status.
        param: the field of the body that is wrong, if it is one field.
        code: a word that programs can compare.
        headers: what the answer tells beside its body.
    """

    reason = "InvalidRequest"

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = headers


class BudgetSpentError(TierwiseError):
    """One more call would go beyond what a request may spend; it was not made."""

    reason = "BudgetSpent"


class ContextLengthError(RequestError):
    """A prompt, with the answer that is wanted, is longer than a context.

    Args:
        message: how many tokens it has, and how many there is room for.
        prompt_tokens: the prompt's, as far as known.
    """

    reason = "ContextLength"
    CODE: Final = "context_length_exceeded"

    def __init__(self, message: str, prompt_tokens: int) -> None:
        super().__init__(message, param="messages", code=self.CODE)
        self.prompt_tokens = prompt_tokens


class NobodyConfidentError(TierwiseError):
    """Everybody who could be asked is predicted to stay below the floor.

    Args:
        why: each Specialist that was passed over, with its reason.
        human: whether the field hands such questions over to a person.
    """

    reason = "NobodyConfident"

    def __init__(self, why: str, *, human: bool = False) -> None:
        then = "a person should answer this" if human else "ask differently, or add a generalist"
        super().__init__(f"no Specialist is likely to answer this well ({why}); {then}")
        self.kind = "human_review" if human else "abstained"


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as OpenAI's clients expect it, before it becomes bytes."""

    status: int
    message: str
    type: str = INVALID_REQUEST
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self) -> dict[str, object]:
        """Shape it as OpenAI does.

        >>> ErrorAnswer(404, "no such model", code="model_not_found", param="model").body()["error"]
        ... # doctest: +NORMALIZE_WHITESPACE
        {'message': 'no such model', 'type': 'invalid_request_error', 'param': 'model',
         'code': 'model_not_found'}
        """
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


def answer_for(error: TierwiseError) -> ErrorAnswer:
    """Map an error to the answer a client gets; what it does not know is a 500."""
    message = str(error)
    if isinstance(error, RequestError):
        return ErrorAnswer(
            error.status, message, code=error.code, param=error.param, headers=error.headers
        )
    if isinstance(error, NobodyConfidentError):
        return ErrorAnswer(422, message, type=error.kind, code=error.kind)
    if isinstance(error, BudgetSpentError):
        return ErrorAnswer(422, message, type="abstained", code="budget_spent")
    if isinstance(error, UnknownModelError):
        return ErrorAnswer(404, message, code="model_not_found", param="model")
    if isinstance(error, AmbiguousModelError):
        return ErrorAnswer(400, message, code="model_ambiguous", param="model")
    return _server_answer(error, message)


def failure_word(error: BaseException) -> str:
    """Say in one word why a Specialist gave no answer, for the path of a decision.

    >>> failure_word(UpstreamTimeoutError("silent for 300 s")), failure_word(CancelledError())
    ('upstream_timeout', 'abandoned')

    When the whole request's time is up, whoever is being asked has not answered in it:

    >>> failure_word(CancelledError(TIME_IS_UP))
    'upstream_timeout'
    """
    if isinstance(error, CancelledError):  # else the client left, or we end
        return TIMED_OUT if TIME_IS_UP in error.args else ABANDONED
    return (answer_for(error).code if isinstance(error, TierwiseError) else None) or "error"


def _server_answer(error: TierwiseError, message: str) -> ErrorAnswer:
    if isinstance(error, WakingError):
        retry = ((b"retry-after", b"%d" % RETRY_WAKING_AFTER_S),)
        return ErrorAnswer(503, message, SERVER_ERROR, "model_waking", headers=retry)
    if isinstance(error, BreakerOpenError | OverloadedError):
        return _come_back(error, message)
    if isinstance(error, NoEndpointError):
        retry = ((b"retry-after", b"%d" % RETRY_AFTER_S),)
        code = "budget_unknown" if isinstance(error, LedgerAwayError) else "no_ready_endpoint"
        return ErrorAnswer(503, message, SERVER_ERROR, code, headers=retry)
    if isinstance(error, UpstreamTimeoutError):
        return ErrorAnswer(504, message, SERVER_ERROR, TIMED_OUT)
    if isinstance(error, UpstreamError):
        return ErrorAnswer(502, message, SERVER_ERROR, "upstream_unavailable")
    return ErrorAnswer(500, message, SERVER_ERROR, "internal_error")


def _come_back(error: BreakerOpenError | OverloadedError, message: str) -> ErrorAnswer:
    retry = ((b"retry-after", b"%d" % error.retry_after_s),)
    if isinstance(error, ProviderLimitError):
        return ErrorAnswer(429, message, "rate_limit_error", "provider_limited", headers=retry)
    code = "breaker_open" if isinstance(error, BreakerOpenError) else "overloaded"
    return ErrorAnswer(503, message, SERVER_ERROR, code, headers=retry)
