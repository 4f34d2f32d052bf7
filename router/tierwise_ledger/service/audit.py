"""The audit over HTTP: streams, an export, proofs, a look through it all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tierwise_core.audit_chain import is_stream
from tierwise_core.audit_lines import export_lines, proof_json
from tierwise_core.audit_verify import Verification
from tierwise_ledger.auditing.checkpoints import seal
from tierwise_ledger.auditing.reading import entries, heads, proofs, verify_store
from tierwise_ledger.auditing.signing import published_keys
from tierwise_ledger.errors import RequestError
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import only
from tierwise_ledger.service.pieces import in_pieces

__all__ = ["ROUTES", "verification_json"]

LINES: Final = "application/jsonl"
SHOWN: Final = 60


def _streams(request: Request) -> Response:
    only(request)
    with request.app.state.store.read() as connection:
        return Answer({"streams": heads(connection), "keys": published_keys(connection)})


def _seal(request: Request) -> Response:
    only(request)
    state = request.app.state
    return Answer({"made": seal(state.store, state.settings, state.clock())})


def _export(request: Request) -> Response:
    """Stream all records and checkpoints; what no checkpoint covers is sealed first."""
    only(request, "stream")
    streams = _names(request)
    state = request.app.state
    seal(state.store, state.settings, state.clock())
    headers = {"content-disposition": 'attachment; filename="tierwise-audit.jsonl"'}
    return StreamingResponse(_lines(state.store, streams), media_type=LINES, headers=headers)


def _lines(store: Any, streams: list[str]) -> Iterator[bytes]:
    with store.read() as connection:
        lines = export_lines(published_keys(connection), entries(connection, streams))
        yield from in_pieces(line.encode() for line in lines)


def _names(request: Request) -> list[str]:
    given = request.query_params.getlist("stream")
    names = [name for names in given for name in names.split(",")]
    for name in names:
        if not is_stream(name):
            raise RequestError(
                f"stream is {name[:SHOWN]!r}; give the name of one, such as decisions: GET "
                "/v1/audit lists them",
                field="stream",
            )
    return names


def _prove(request: Request) -> Response:
    """Prove what is recorded about a subject, such as a decision's id."""
    only(request)
    state, subject = request.app.state, request.path_params["subject"]
    seal(state.store, state.settings, state.clock())
    with state.store.read() as connection:
        keys = published_keys(connection)
        found = [proof_json(proof, keys) for proof in proofs(connection, subject)]
    return Answer({"subject": subject, "proofs": found})


def _verify(request: Request) -> Response:
    only(request)
    with request.app.state.store.read() as connection:
        return Answer(verification_json(verify_store(connection)))


def verification_json(found: Verification) -> dict[str, Any]:
    """Tell what a look through the audit found.

    >>> verification_json(Verification())["intact"]
    True
    """
    return {"intact": found.intact, **asdict(found)}


ROUTES = (
    Route("/v1/audit", _streams, methods=["GET"]),
    Route("/v1/audit/checkpoints", _seal, methods=["POST"]),
    Route("/v1/audit/export", _export, methods=["GET"]),
    Route("/v1/audit/proofs/{subject:path}", _prove, methods=["GET"]),
    Route("/v1/audit/verify", _verify, methods=["GET"]),
)
