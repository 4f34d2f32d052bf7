"""Requests in the background: taken at once, answered later, fetched by their id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from tierwise_core.batch import check_line
from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.inputs import read_lines
from tierwise_router.batches.job import Job, JobStore, Spec
from tierwise_router.batches.view import as_background, as_response
from tierwise_router.desk.file_paths import storage_error
from tierwise_router.desk.reading import Query, kept_headers, listing, not_found
from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.files.disk import Disk
from tierwise_router.files.store import FileStore, new_id
from tierwise_router.json_body import write_again

__all__ = ["BackgroundPaths"]

MOST_LISTED: Final = 100
ONE: Final = "request"
RESPONSES: Final = "/v1/responses"


class BackgroundPaths:
    """Takes requests for later, and tells what became of them."""

    def __init__(
        self,
        files: FileStore,
        jobs: JobStore,
        disk: Disk,
        policy: Callable[[], BatchPolicy],
        changed: Callable[[], None],
    ) -> None:
        self._files = files
        self._jobs = jobs
        self._disk = disk
        self._policy = policy
        self._changed = changed

    async def take(
        self, exchange: Exchange, tenant: str, latency_class: str, fields: dict[str, Any]
    ) -> None:
        """Keep a request, and tell the client where its answer will be."""
        path = exchange.path
        line = {"custom_id": ONE, "method": "POST", "url": path, "body": fields}
        if (problem := check_line(1, line, path, ())) is not None:
            raise RequestError(problem.message, param=problem.param, code=problem.code)
        spec = self._spec(exchange, tenant, latency_class, path)
        try:
            job = await asyncio.to_thread(self._create, spec, write_again(line) + b"\n")
        except OSError as error:
            raise storage_error(error) from error
        # Looked at before anybody here begins with it: a client expects to hear that it waits.
        told = await asyncio.to_thread(_shown, job)
        self._changed()
        where = [(b"location", f"{_home(spec)}/{spec.id}".encode())]
        await exchange.json(200 if path == RESPONSES else 202, told, where)

    async def retrieve(self, exchange: Exchange, tenant: str, job_id: str) -> None:
        """Tell where a request is, and its answer once there is one."""
        job = await self._find(tenant, job_id)
        await exchange.json(200, await asyncio.to_thread(_shown, job))

    async def list(self, exchange: Exchange, tenant: str) -> None:
        """List the newest requests in background."""
        query = Query(exchange)
        limit, after = query.limit(MOST_LISTED), query.word("after")

        def read() -> dict[str, Any]:
            jobs = self._jobs.listed("background", tenant, after)
            return listing((as_background(job) for job in jobs), limit)

        await exchange.json(200, await asyncio.to_thread(read))

    async def cancel(self, exchange: Exchange, tenant: str, job_id: str) -> None:
        """Stop a request; one that has ended stays as it is."""
        job = await self._find(tenant, job_id)
        if not (await asyncio.to_thread(job.state)).ended:
            await asyncio.to_thread(job.cancel, int(time.time()))
            self._changed()
        await exchange.json(200, await asyncio.to_thread(_shown, job))

    async def delete(self, exchange: Exchange, tenant: str, job_id: str) -> None:
        """Forget a request and its answer; one that is under way is stopped."""
        job = await self._find(tenant, job_id)
        if (await asyncio.to_thread(job.state)).ended:
            await asyncio.to_thread(self._jobs.remove, job)
        else:
            await asyncio.to_thread(job.delete, int(time.time()))
            self._changed()
        kind = "response" if job.spec.endpoint == RESPONSES else "background.request"
        await exchange.json(200, {"id": job.id, "object": kind, "deleted": True})

    def _create(self, spec: Spec, line: bytes) -> Job:
        part = self._files.begin()
        try:
            self._disk.write_whole(part, line)
            return self._jobs.create(spec, part)
        finally:
            self._disk.remove(part)

    def _spec(self, exchange: Exchange, tenant: str, latency_class: str, path: str) -> Spec:
        now = time.time()
        return Spec(
            id=new_id("resp_" if path == RESPONSES else "bg_", now),
            kind="background",
            endpoint=path,
            created_at=int(now),
            expires_at=int(now + self._policy().results_kept_s),
            tenant=tenant,
            latency_class=latency_class,
            headers=kept_headers(exchange),
        )

    async def _find(self, tenant: str, job_id: str) -> Job:
        job = await asyncio.to_thread(self._jobs.get, job_id, "background", tenant)
        if job is None:
            raise not_found("request in background", job_id, "GET /v1/background lists yours")
        return job


def _home(spec: Spec) -> str:
    return RESPONSES if spec.endpoint == RESPONSES else "/v1/background"


def _shown(job: Job) -> dict[str, Any]:
    if job.spec.endpoint != RESPONSES:
        return as_background(job)
    return as_response(job, next(read_lines(job)).body)
