"""Exports to train and test with: from the contents that are stored, or from the caller's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, get_args

import orjson
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tierwise_core.query import request_text
from tierwise_core.training_rows import HELD_OUT, Kind
from tierwise_ledger import contents
from tierwise_ledger.errors import NotKnownError, RequestError
from tierwise_ledger.learning.exporting import Wanted, export_rows
from tierwise_ledger.learning.texts import Texts
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import only, share, span
from tierwise_ledger.service.pieces import in_pieces
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

__all__ = ["ROUTES", "own_texts", "went_out"]

KINDS: Final = get_args(Kind)
KNOWN: Final = ("since", "until", "specialist", "field", "tenant", "holdout", "rollout")
MONTH: Final = "30d"
MOST_BYTES: Final = 64 * 1024 * 1024
SHOWN: Final = 60


def _stored(request: Request) -> Response:
    """Make rows with the contents that are stored, line by line as they are read."""
    wanted = _wanted(request)
    state = request.app.state
    lines = _lines(state.store, state.settings, wanted)
    return StreamingResponse(lines, media_type="application/jsonl")


def _lines(store: Store, settings: Settings, wanted: Wanted) -> Iterator[bytes]:
    with store.read() as connection:
        rows = export_rows(connection, wanted, partial(_stored_texts, settings), stored=True)
        yield from in_pieces(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _stored_texts(
    settings: Settings, connection: Connection, names: Sequence[str]
) -> dict[str, Texts]:
    return {
        name: Texts(_messages(found), _answers(found), went_out(found.get("response") or ""))
        for name, found in contents.read(connection, settings, names).items()
    }


def _messages(found: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Give the messages of a chat; of a completion the prompt, as a user would say it."""
    if found["messages"]:
        return tuple(found["messages"])
    text = request_text(found.get("request") or {})
    return ({"role": "user", "content": text},)


def _answers(found: Mapping[str, Any]) -> dict[int, str]:
    answers = found.get("answers") or {}
    return {int(step): text for step, text in answers.items() if isinstance(text, str)}


def went_out(response: str) -> str:
    r"""Find the text of the one choice that a client got, whole or as a stream of events.

    >>> went_out('{"choices": [{"message": {"content": "abcd"}}]}')
    'abcd'
    >>> went_out('data: {"choices": [{"delta": {"content": "ab"}}]}\n\ndata: [DONE]\n')
    'ab'
    """
    if response.startswith("{"):
        return _piece(response)
    lines = (line.removeprefix("data: ") for line in response.splitlines())
    return "".join(_piece(line) for line in lines if line.startswith("{"))


def _piece(line: str) -> str:
    try:
        (choice,) = orjson.loads(line)["choices"]
        said = choice.get("message") or choice.get("delta") or choice
        return str(said.get("content") or said.get("text") or "")
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return ""


async def _with_own(request: Request) -> Response:
    """Make rows with the texts that the caller has kept itself; nothing of them is stored."""
    wanted = _wanted(request)
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BYTES:
            raise RequestError(
                f"contents are larger than {MOST_BYTES >> 20} MiB; send fewer decisions at once",
                field="contents",
            )
        pieces.append(piece)
    return await run_in_threadpool(_answer, request, wanted, b"".join(pieces))


def _answer(request: Request, wanted: Wanted, body: bytes) -> Response:
    texts = own_texts(body)
    with request.app.state.store.read() as connection:
        rows = list(export_rows(connection, wanted, lambda _connection, _names: texts, texts))
    return Answer({"kind": wanted.kind, "rows": rows})


def _wanted(request: Request) -> Wanted:
    only(request, *KNOWN)
    kind = request.path_params["kind"]
    if kind not in KINDS:
        raise NotKnownError(f"there is no export {kind[:SHOWN]!r}; give one of {', '.join(KINDS)}")
    given = request.query_params
    whose = (given.get("specialist"), given.get("field"), given.get("tenant"))
    held_out = share(request, "holdout", HELD_OUT, "questions kept for tests")
    return Wanted(kind, span(request, MONTH), *whose, held_out, given.get("rollout"))


def own_texts(body: bytes) -> dict[str, Texts]:
    """Read ``{"contents": [{"decision", "messages", "answers": {"0": "..."}}]}``.

    >>> texts = own_texts(b'{"contents": [{"decision": "d-1", "messages": [{"role": "user",'
    ...     b' "content": "sort dbca"}], "answers": {"0": "abcd"}}]}')
    >>> texts["d-1"].answers
    {0: 'abcd'}

    Raises RequestError naming what is wrong with which.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is no JSON: {error}") from None
    rows = said.get("contents") if isinstance(said, dict) else None
    if not isinstance(rows, list):
        raise RequestError("contents is not there; give a list of decisions", field="contents")
    return dict(_own_text(number, row) for number, row in enumerate(rows))


def _own_text(number: int, row: Any) -> tuple[str, Texts]:
    where = f"contents[{number}]"
    if not isinstance(row, dict) or not isinstance(row.get("decision"), str):
        raise RequestError(f"{where}.decision is not there; give its id", field="contents")
    messages, answers = row.get("messages"), row.get("answers")
    if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        raise RequestError(f"{where}.messages is no list of messages", field="contents")
    if not isinstance(answers, dict) or not all(
        key.isdigit() and isinstance(text, str) for key, text in answers.items()
    ):
        raise RequestError(
            f'{where}.answers is no map such as {{"0": "the text of the first step"}}',
            field="contents",
        )
    return row["decision"], Texts(
        tuple(messages), {int(key): text for key, text in answers.items()}
    )


ROUTES = (
    Route("/v1/export/{kind}", _stored, methods=["GET"]),
    Route("/v1/export/{kind}", _with_own, methods=["POST"]),
)
