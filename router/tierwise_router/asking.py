"""Asks one Specialist for an answer that will be judged: with log-probabilities, and usage."""

from __future__ import annotations

from typing import Any, Final

from tierwise_core.routing import Hop
from tierwise_core.swift import dataclass
from tierwise_router.call import Call
from tierwise_router.dialects import DIALECTS, Dialect
from tierwise_router.dispatch import WHOLE_BYTES, Ask, Lease
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import UpstreamDiedError, UpstreamError
from tierwise_router.json_body import write_again
from tierwise_router.lease import Draw

__all__ = ["ANSWER_LIMIT_BYTES", "Asked", "ask_judged", "read_whole", "wants_usage"]

ANSWER_LIMIT_BYTES: Final = 32 * 1024 * 1024
BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer in progress; ``refusal`` is its whole body where it is an error's."""

    lease: Lease
    refusal: bytes = b""

    @property
    def status(self) -> int:
        """The engine's status."""
        return self.lease.response.status


async def ask_judged(
    dispatcher: Dispatcher, call: Call, hop: Hop, *, stream: bool, draw: Draw | None = None
) -> Asked:
    """Ask; once more without what the engine refuses and only we wanted.

    Some providers' models give no log-probabilities: better an answer that is judged by the
    prediction alone. The lease is the caller's to release; that of an error is released.
    """
    wanted = _Wanted(
        logprobs=not _dialect(call).wants_logprobs(call.fields),
        usage=stream and not wants_usage(call),
    )
    while True:
        body = judged_body(call, hop, wanted, stream=stream)
        asked = await _ask(dispatcher, call, hop, body, draw)
        if asked.status != BAD_REQUEST or (less := wanted.without(asked.refusal)) == wanted:
            return asked
        wanted = less


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What we want of an answer and the client did not ask for."""

    logprobs: bool
    usage: bool

    def without(self, refusal: bytes) -> _Wanted:
        """Leave out what an engine's error names."""
        return _Wanted(
            self.logprobs and b"logprobs" not in refusal,
            self.usage and b"stream_options" not in refusal,
        )


def judged_body(call: Call, hop: Hop, wanted: _Wanted, *, stream: bool) -> bytes:
    """Make the body of a call whose answer is judged before anybody sees it."""
    dialect = _dialect(call)
    fields: dict[str, Any] = {**call.fields, "model": hop.route.upstream_model, "stream": stream}
    if not stream:
        fields.pop("stream_options", None)
    elif wanted.usage and dialect.done:
        given = fields.get("stream_options")
        fields["stream_options"] = {
            **(given if isinstance(given, dict) else {}),
            "include_usage": True,
        }
    if wanted.logprobs:
        dialect.ask_logprobs(fields)
    return write_again(fields)


def wants_usage(call: Call) -> bool:
    """Tell whether the client of a stream asked for the usage."""
    options = call.fields.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


async def read_whole(lease: Lease, hop: Hop) -> bytes:
    """Read an answer to its end and release it.

    Raises UpstreamError where it breaks off, and UpstreamDiedError beyond 32 MiB; both say whose
    answer it was.
    """
    try:
        response = lease.response
        # What is here as a whole was held back, and is no larger than that.
        whole = response.take() if response.complete else await response.read(ANSWER_LIMIT_BYTES)
        if whole is None:
            raise UpstreamDiedError(f"model {hop.route.key!r} answered more than 32 MiB")
    except UpstreamError as error:
        error.endpoint = lease.url
        raise
    finally:
        lease.release()
    return whole


async def _ask(
    dispatcher: Dispatcher, call: Call, hop: Hop, body: bytes, draw: Draw | None
) -> Asked:
    hold_bytes = 0 if call.stream else WHOLE_BYTES
    asked = Ask(
        call.endpoint, call.headers, body, call.session, hold_bytes, call.admitted, call.budget,
        draw=draw,
    )  # fmt: skip
    lease = await dispatcher.dispatch.ask(hop.route, asked)
    if lease.response.status < BAD_REQUEST:
        return Asked(lease)
    return Asked(lease, await read_whole(lease, hop))


def _dialect(call: Call) -> Dialect:
    return DIALECTS[call.endpoint]
