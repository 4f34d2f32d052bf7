"""Catches what does not fit a model's context before it is sent, and says so in numbers."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson

from tierwise_core.context_fit import prompt_bytes, surely_fits
from tierwise_core.errors import TierwiseError
from tierwise_core.route_table import Route, RouteTable
from tierwise_core.routing import CascadePlan
from tierwise_router.call import CHAT, COMPLETIONS, Call
from tierwise_router.dispatch import Ask
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import ContextLengthError
from tierwise_router.extent import about_prompt_tokens, output_tokens
from tierwise_router.json_body import write_again
from tierwise_router.upstream.response import Headers

__all__ = [
    "check_room",
    "overflow_of",
    "say_context_length",
]

COUNTED: Final = frozenset({CHAT, COMPLETIONS})
COUNT_S: Final = 5.0
ANSWER_BYTES: Final = 64 * 1024 * 1024
OK: Final = 200
BAD_REQUEST: Final = 400
JSON_TYPE: Final[Headers] = [(b"content-type", b"application/json")]
TOKENIZED: Final = (
    "messages", "prompt", "tools", "chat_template", "chat_template_kwargs", "add_generation_prompt",
    "continue_final_message", "add_special_tokens",
)  # fmt: skip
NAMES_SHOWN: Final = 6


async def check_room(dispatcher: Dispatcher, call: Call, route: Route) -> None:
    """Raise ContextLengthError when a request does not fit; most need no more than a comparison.

    What may not fit is counted by one of the Specialist's own pods. Where that cannot be done (a
    provider, an engine that does not count), the request is sent, and its engine judges.
    """
    room = route.context_tokens
    if not room or len(call.body) + (wanted := output_tokens(call)) <= room:
        return
    if call.endpoint not in COUNTED or "truncate_prompt_tokens" in call.fields:
        return
    size = prompt_bytes(call.fields)
    if surely_fits(room, size, wanted, dispatcher.densities.least(route.key)):
        return
    counted = None if route.external else await _count(dispatcher, call, route)
    if counted is None:
        return
    dispatcher.densities.note(route.key, size, counted)
    # An answer has one token at least.
    if counted + max(wanted, 1) > room:
        table = dispatcher.current_brain().table
        raise ContextLengthError(_too_long(route, counted, wanted, table), counted)


async def _count(dispatcher: Dispatcher, call: Call, route: Route) -> int | None:
    prompt = call.fields.get("prompt")
    if isinstance(prompt, list):
        if prompt and isinstance(prompt[0], int):
            return len(prompt)
        return None
    fields: dict[str, Any] = {name: call.fields[name] for name in TOKENIZED if name in call.fields}
    body = write_again({**fields, "model": route.upstream_model})
    try:
        async with asyncio.timeout(COUNT_S):
            lease = await dispatcher.dispatch.ask(
                route, Ask("//tokenize", JSON_TYPE, body, call.session)
            )
            try:
                answer = await lease.response.read(ANSWER_BYTES)
            finally:
                lease.release()
    except (TierwiseError, TimeoutError):
        return None
    return _counted(answer) if lease.response.status == OK else None


def _counted(answer: bytes | None) -> int | None:
    try:
        count = orjson.loads(answer or b"")["count"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None


def _too_long(route: Route, counted: int, wanted: int, table: RouteTable) -> str:
    more = f" and wants up to {wanted} more (max_tokens)" if wanted else ""
    return (
        f"model {route.key!r} has a maximum context length of {route.context_tokens} tokens; this "
        f"request has {counted} prompt tokens{more}; {_remedy(counted + wanted, table)}"
    )


def _remedy(needed: int, table: RouteTable) -> str:
    larger = [
        f"{route.key} ({route.context_tokens})"
        for route in table.routes.values()
        if route.context_tokens >= needed
    ]
    if not larger:
        return "shorten it, or ask for less: no Specialist has room for it"
    return f"shorten it, or ask one with more room: {', '.join(larger[:NAMES_SHOWN])}"


def overflow_of(plan: CascadePlan, call: Call, table: RouteTable) -> ContextLengthError | None:
    """Say that a plan has no hops because the request is too long for everybody, if it is so."""
    if plan.hops:
        return None
    too_small = [skip.route_name for skip in plan.skipped if skip.code == "context"]
    if not too_small:
        return None
    prompt, wanted = about_prompt_tokens(call), output_tokens(call)
    rooms = {name: table.routes[name].context_tokens for name in too_small if name in table.routes}
    most = max(rooms, key=lambda name: rooms[name], default=too_small[0])
    more = f" and up to {wanted} more (max_tokens)" if wanted else ""
    return ContextLengthError(
        f"about {prompt} prompt tokens{more} do not fit anybody's context: the maximum context "
        f"length is {rooms.get(most, 0)} tokens, that of {most}; {_remedy(prompt + wanted, table)}",
        prompt,
    )


def say_context_length(status: int, body: bytes) -> bytes:
    """Give an engine's error about a context its code, so that clients know it; others stay.

    >>> error = b'{"error":{"message":"maximum context length is 8 tokens","code":400}}'
    >>> say_context_length(400, error)
    b'{"error":{"message":"maximum context length is 8 tokens","code":"context_length_exceeded"}}'
    >>> say_context_length(400, b"no")
    b'no'
    """
    if status != BAD_REQUEST or b"context length" not in body:
        return body
    try:
        said: Any = orjson.loads(body)
        error = said.get("error", said)
        error["code"] = ContextLengthError.CODE
        return orjson.dumps(said)
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        return body
