"""Jobs as clients see them: OpenAI's batch object, and what stands for a request in background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from tierwise_core.batch import BatchState
from tierwise_router.batches.job import Job

__all__ = ["as_background", "as_batch", "as_response", "first_answer"]

MOMENTS: Final = (
    "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled",
)  # fmt: skip
SHOWN_STATUS: Final = {
    "validating": "queued", "in_progress": "in_progress", "finalizing": "in_progress",
    "cancelling": "in_progress", "expired": "failed",
}  # fmt: skip


def as_batch(job: Job) -> dict[str, Any]:
    """Shape a batch as OpenAI's object; blocks."""
    spec, state = job.spec, job.state()
    status, at = _asked_to_stop(job, state)
    problems = [asdict(problem) for problem in state.problems]
    return {
        "id": spec.id,
        "object": "batch",
        "endpoint": spec.endpoint,
        "errors": {"object": "list", "data": problems} if problems else None,
        "input_file_id": spec.input_file,
        "completion_window": spec.window,
        "status": status,
        "output_file_id": state.output_file or None,
        "error_file_id": state.error_file or None,
        "created_at": spec.created_at,
        "expires_at": spec.expires_at,
        **{f"{moment}_at": at.get(moment) for moment in MOMENTS},
        "request_counts": asdict(state.counts),
        "metadata": spec.metadata,
    }


def _asked_to_stop(job: Job, state: BatchState) -> tuple[str, Mapping[str, int]]:
    """A batch is cancelling from the moment somebody asked for it."""
    asked_at = job.cancel_asked_at()
    if asked_at is None or state.status not in {"validating", "in_progress"}:
        return state.status, state.at
    return "cancelling", {**state.at, "cancelling": asked_at}


def first_answer(job: Job) -> dict[str, Any] | None:
    """Give the one answer of a background request; None as long as there is none. Blocks."""
    return next(job.answers(), None)


def _status(job: Job, state: BatchState, answer: Mapping[str, Any] | None) -> str:
    if answer is not None:
        return "completed" if answer["response"]["status_code"] < 400 else "failed"  # noqa: PLR2004 - an error
    if job.cancelled:
        return "cancelled"
    return SHOWN_STATUS.get(state.status, state.status)


def as_background(job: Job) -> dict[str, Any]:
    """Shape a request in background; its ``response`` is there once it has ended. Blocks."""
    spec, state, answer = job.spec, job.state(), first_answer(job)
    return {
        "id": spec.id,
        "object": "background.request",
        "status": _status(job, state, answer),
        "endpoint": spec.endpoint,
        "latency_class": spec.latency_class,
        "created_at": spec.created_at,
        "expires_at": spec.expires_at,
        "response": answer["response"] if answer else None,
        "tierwise": answer["tierwise"] if answer else None,
        "error": None if answer else _why_none(state),
    }


def as_response(job: Job, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Shape a request in background as an object of OpenAI's Responses API; blocks.

    ``fields`` are those of the request.
    """
    spec, state, answer = job.spec, job.state(), first_answer(job)
    shown = {
        "id": spec.id,
        "object": "response",
        "created_at": spec.created_at,
        "status": _status(job, state, answer),
        "background": True,
        "model": fields.get("model"),
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": fields.get("tool_choice", "auto"),
        "tools": fields.get("tools", []),
        "metadata": fields.get("metadata"),
        "error": None if answer else _why_none(state),
        "incomplete_details": None,
    }
    if answer is None:
        return shown
    body = answer["response"]["body"]
    if shown["status"] == "failed" or not isinstance(body, dict):
        return {**shown, "error": _error_of(body)}
    return {**shown, **body, "id": spec.id, "background": True}


def _why_none(state: BatchState) -> dict[str, str] | None:
    if state.problems:
        return {"code": state.problems[0].code, "message": state.problems[0].message}
    if state.status == "expired":
        return {"code": "expired", "message": "nobody came to it before it expired"}
    return None


def _error_of(body: Any) -> dict[str, Any]:
    error = body.get("error") if isinstance(body, dict) else None
    told = error if isinstance(error, dict) else {}
    return {
        "code": str(told.get("code") or "server_error"),
        "message": str(told.get("message") or body),
    }
