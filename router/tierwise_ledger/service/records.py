"""Records: the way in for routers, and the way out for people."""

from __future__ import annotations

import zlib
from typing import Any, Final

import orjson
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_ledger.batch import Ingested
from tierwise_ledger.errors import RequestError
from tierwise_ledger.ingest import ingest
from tierwise_ledger.migrating import ledger_id
from tierwise_ledger.service.answers import Answer

__all__ = ["ROUTES"]

log = structlog.get_logger(__name__)

CLOCK: Final = "x-tierwise-clock"
LEDGER: Final = "x-tierwise-ledger"
TOLERATED_SKEW_S: Final = 5.0
MOST_BYTES: Final = 64 * 1024 * 1024
MIB: Final = 1024 * 1024
SHOWN: Final = 20


async def _take(request: Request) -> Response:
    body = await _body(request)
    return await run_in_threadpool(_take_body, request, body)


def _take_body(request: Request, body: bytes) -> Response:
    state = request.app.state
    now = state.clock()
    rows, broken = _rows(body)
    with state.store.begin() as connection:
        taken = ingest(connection, rows, received_at=now, skew_s=_skew(request, now))
        name = ledger_id(connection)
    state.metrics.took(taken.new, taken.known, len(taken.rejected) + len(broken))
    rejected = (*taken.rejected, *broken)
    if rejected:
        log.warning("rows were rejected", count=len(rejected), first=rejected[0])
    return Answer(_told(taken, rejected), headers={LEDGER: name})


def _told(taken: Ingested, rejected: tuple[str, ...]) -> dict[str, Any]:
    return {
        "new": taken.new,
        "known": taken.known,
        "rejected": len(rejected),
        "reasons": rejected[:SHOWN],
    }


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BYTES:
            raise RequestError(
                f"the body is larger than {MOST_BYTES // MIB} MiB; send less at once"
            )
        pieces.append(piece)
    body = b"".join(pieces)
    coding = request.headers.get("content-encoding", "identity")
    if coding == "identity":
        return body
    if coding != "gzip":
        raise RequestError(
            f"content-encoding is {coding[:SHOWN]!r}; send gzip or nothing",
            field="content-encoding",
        )
    return _unzipped(body)


def _unzipped(body: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        whole = inflate.decompress(body, MOST_BYTES)
    except zlib.error as error:
        raise RequestError(f"the body is no gzip: {error}", field="content-encoding") from None
    if inflate.unconsumed_tail or not inflate.eof:
        raise RequestError(
            f"the body is cut short, or larger than {MOST_BYTES // MIB} MiB when unpacked",
            field="content-encoding",
        )
    return whole


def _rows(body: bytes) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    rows, broken = [], []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            broken.append(f"line {number}: {error}")
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            broken.append(f"line {number} is no object")
    return rows, tuple(broken)


def _skew(request: Request, now: float) -> float:
    """Tell what to add to the sender's clock; a little is the way's own time and no skew."""
    text = request.headers.get(CLOCK)
    if not text:
        return 0.0
    try:
        skew_s = now - float(text)
    except ValueError:
        raise RequestError(f"{CLOCK} is {text[:SHOWN]!r}; give seconds", field=CLOCK) from None
    return skew_s if abs(skew_s) > TOLERATED_SKEW_S else 0.0


ROUTES = (Route("/v1/records", _take, methods=["POST"]),)
