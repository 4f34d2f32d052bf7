"""One request of a job: asked like a client's, again where there was no room, and written down."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import orjson
import structlog

from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.job import Job, Line
from tierwise_router.inside import AsgiApp, Checkpoints, InProcessWork, Inside, ask_inside

__all__ = ["Asker", "answered_well", "result_of", "undone", "written"]

log = structlog.get_logger(__name__)

NO_ROOM: Final = frozenset({408, 429, 502, 503, 504})
TOLD_HEADERS: Final = {
    b"x-tierwise-decision": "decision",
    b"x-tierwise-specialist": "specialist",
    b"x-tierwise-tier": "tier",
    b"x-tierwise-confidence": "confidence",
    b"x-tierwise-cost-usd": "cost_usd",
}


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the requests of jobs in this process."""

    app: AsgiApp
    policy: Callable[[], BatchPolicy]
    rng: random.Random

    async def ask(self, job: Job, line: Line, checkpoints: Checkpoints | None = None) -> Inside:
        """Ask until there is an answer that waiting would not better."""
        spec = job.spec
        headers = [(name.encode(), value.encode()) for name, value in spec.headers]
        headers.append((b"x-tierwise-latency-class", spec.latency_class.encode()))
        headers.append((b"x-request-id", f"{spec.id}-{line.number}".encode()))
        work = InProcessWork(spec.tenant, spec.latency_class, checkpoints)
        try:
            body = orjson.dumps(line.body)
        except TypeError:  # orjson reads 1024 levels and writes 254
            return _failure(400, "the body is nested too deeply; send less", "invalid_json")
        for attempt in count(1):
            told = await self._try(spec.endpoint, headers, body, work)
            policy = self.policy()
            if told.status not in NO_ROOM or attempt >= policy.max_attempts:
                return told
            asked_s = _retry_after(told)
            if asked_s is not None and asked_s > _patience_s(policy, attempt, spec.expires_at):
                # A budget that begins anew at midnight, say: to ask again before is in vain.
                return told
            await asyncio.sleep(policy.retry_delay_s(attempt, asked_s, self.rng.random()))
        raise AssertionError("count never ends")

    async def _try(
        self, path: str, headers: list[tuple[bytes, bytes]], body: bytes, work: InProcessWork
    ) -> Inside:
        try:
            return await ask_inside(self.app, path, list(headers), body, work=work)
        except Exception:  # as a client's request: a mistake of ours is this line's 500
            log.exception("a request of a batch failed", path=path)
            return _failure(500, "internal error", "internal_error")


def result_of(line: Line, told: Inside) -> dict[str, Any]:
    """Shape an answer as a line of OpenAI's output files, with what was decided beside it."""
    decided = {word: told.header(name).decode("latin-1") for name, word in TOLD_HEADERS.items()}
    return {
        **_head(line.custom_id),
        "response": {
            "status_code": told.status,
            "request_id": told.header(b"x-request-id").decode("latin-1"),
            "body": _json_or_text(told.body),
        },
        "error": None,
        "tierwise": {word: value for word, value in decided.items() if value},
    }


def written(line: Line, told: Inside) -> tuple[dict[str, Any], bytes]:
    """Shape an answer as a line, and write it; what cannot be written as JSON becomes text."""
    result = result_of(line, told)
    try:
        return result, orjson.dumps(result) + b"\n"
    except TypeError:
        result["response"]["body"] = told.body.decode("utf-8", "replace")
        return result, orjson.dumps(result) + b"\n"


def _failure(status: int, message: str, code: str) -> Inside:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Inside(status, [], orjson.dumps({"error": error}))


def undone(custom_id: str, code: str, message: str) -> dict[str, Any]:
    """Say of a request that nobody came to it."""
    return {**_head(custom_id), "response": None, "error": {"code": code, "message": message}}


def answered_well(result: dict[str, Any]) -> bool:
    """Tell whether a line belongs to the output and not to the errors.

    >>> answered_well({"response": {"status_code": 200}}), answered_well({"response": None})
    (True, False)
    """
    response = result.get("response")
    return isinstance(response, dict) and response.get("status_code") == 200  # noqa: PLR2004 - OK


def _head(custom_id: str) -> dict[str, Any]:
    return {"id": f"batch_req_{os.urandom(12).hex()}", "custom_id": custom_id}


def _json_or_text(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _patience_s(policy: BatchPolicy, attempt: int, expires_at: float) -> float:
    """Say how long the tries that are left can wait, within the time that the job has."""
    tries = policy.longest_retry_s * (policy.max_attempts - attempt)
    return min(tries, expires_at - time.time())


def _retry_after(told: Inside) -> float | None:
    try:
        return max(0.0, float(told.header(b"retry-after")))
    except ValueError:  # absent, or a date
        return None
