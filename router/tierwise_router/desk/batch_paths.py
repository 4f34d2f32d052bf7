"""``/v1/batches``: create, retrieve, list, cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tierwise_core.batch import ENDPOINTS, TERMINAL, window_seconds
from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.job import Job, JobStore, Spec
from tierwise_router.batches.view import as_batch
from tierwise_router.desk.file_paths import storage_error
from tierwise_router.desk.reading import Query, json_object, kept_headers, listing, not_found, only
from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.files.store import FileStore, new_id
from tierwise_router.json_body import shown

__all__ = ["BatchPaths"]

MOST_LISTED: Final = 100
MOST_METADATA: Final = 16
LONGEST_NAME: Final = 64
LONGEST_VALUE: Final = 512
FIELDS: Final = ("input_file_id", "endpoint", "completion_window", "metadata")


class BatchPaths:
    """Answers what is asked about a tenant's batches.

    Args:
        files: where the input files are.
        jobs: where the batches are.
        policy: the policy of the moment.
        changed: called when a batch was created or is to be cancelled.
    """

    def __init__(
        self,
        files: FileStore,
        jobs: JobStore,
        policy: Callable[[], BatchPolicy],
        changed: Callable[[], None],
    ) -> None:
        self._files = files
        self._jobs = jobs
        self._policy = policy
        self._changed = changed

    async def create(self, exchange: Exchange, tenant: str) -> None:
        """Begin a batch over the requests of an uploaded file."""
        fields = await json_object(exchange)
        only(fields, FIELDS)
        spec = replace(self._spec(fields, tenant), headers=kept_headers(exchange))
        stored = await asyncio.to_thread(self._files.get, spec.input_file, tenant)
        if stored is None:
            raise not_found("file", spec.input_file, "upload it with POST /v1/files")
        if stored.purpose != "batch":
            raise _wrong(
                "input_file_id", stored.id, f"its purpose is {stored.purpose!r}, not 'batch'"
            )
        try:
            job = await asyncio.to_thread(self._jobs.create, spec, self._files.content(stored.id))
        except OSError as error:
            raise storage_error(error) from error
        self._changed()
        await self._tell(exchange, job)

    async def retrieve(self, exchange: Exchange, tenant: str, batch_id: str) -> None:
        """Tell where a batch is."""
        await self._tell(exchange, await self._find(tenant, batch_id))

    async def list(self, exchange: Exchange, tenant: str) -> None:
        """List the newest batches."""
        query = Query(exchange)
        limit, after = query.limit(MOST_LISTED), query.word("after")

        def read() -> dict[str, Any]:
            return listing(
                (as_batch(job) for job in self._jobs.listed("batch", tenant, after)), limit
            )

        await exchange.json(200, await asyncio.to_thread(read))

    async def cancel(self, exchange: Exchange, tenant: str, batch_id: str) -> None:
        """Ask for a batch to stop; what it has answered is kept."""
        job = await self._find(tenant, batch_id)
        state = await asyncio.to_thread(job.state)
        if state.status in TERMINAL - {"cancelled"} or state.status == "finalizing":
            raise RequestError(
                f"the batch is {state.status} already; only one that is validating or in_progress "
                "can be cancelled",
                status=409,
                code="batch_ended",
            )
        await asyncio.to_thread(job.cancel, int(time.time()))
        self._changed()
        await self._tell(exchange, job)

    async def _find(self, tenant: str, batch_id: str) -> Job:
        job = await asyncio.to_thread(self._jobs.get, batch_id, "batch", tenant)
        if job is None:
            raise not_found("batch", batch_id, "GET /v1/batches lists yours")
        return job

    async def _tell(self, exchange: Exchange, job: Job) -> None:
        await exchange.json(200, await asyncio.to_thread(as_batch, job))

    def _spec(self, fields: Mapping[str, Any], tenant: str) -> Spec:
        endpoint = _text(fields, "endpoint")
        if endpoint not in ENDPOINTS:
            raise _wrong("endpoint", endpoint, f"give one of: {', '.join(ENDPOINTS)}")
        window = _text(fields, "completion_window")
        try:
            seconds = window_seconds(window, self._policy().longest_window_s)
        except ValueError as error:
            raise _wrong("completion_window", window, str(error)) from None
        now = time.time()
        return Spec(
            id=new_id("batch_", now),
            kind="batch",
            endpoint=endpoint,
            created_at=int(now),
            expires_at=int(now + seconds),
            tenant=tenant,
            input_file=_text(fields, "input_file_id"),
            window=window,
            metadata=_metadata(fields.get("metadata")),
        )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        if name not in fields:
            raise RequestError(
                f"{name!r} is missing; give a string", param=name, code="missing_field"
            )
        raise _wrong(name, value, "give a string")
    return value


def _metadata(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    right = isinstance(value, dict) and len(value) <= MOST_METADATA
    if right and all(
        isinstance(text, str) and len(name) <= LONGEST_NAME and len(text) <= LONGEST_VALUE
        for name, text in value.items()
    ):
        return dict(value)
    raise _wrong(
        "metadata",
        value,
        f"give at most {MOST_METADATA} pairs of strings, names up to {LONGEST_NAME} and values "
        f"up to {LONGEST_VALUE} characters",
    )


def _wrong(name: str, value: Any, remedy: str) -> RequestError:
    return RequestError(f"{name!r} is {shown(value)}; {remedy}", param=name, code="invalid_value")
