"""Looking into a PersistentVolumeClaim: a Job that is watched, and cleaned up after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tierwise_core.claim_job import (
    CONTAINER,
    JOB_SECONDS,
    READS,
    ClaimDirectory,
    claim_job,
    told_by_pod,
    waits_for,
)
from tierwise_core.delivery import Delivery
from tierwise_core.errors import SourceUnreadableError, UnsupportedSourceError
from tierwise_operator.cluster import Cluster
from tierwise_operator.kinds import JOB, READER_POD
from tierwise_operator.sources.claim_document import unpacked
from tierwise_operator.sources.file_in_log import opened
from tierwise_operator.sources.model_files import ModelFiles

__all__ = ["ClaimReader"]

POLL_SECONDS: Final = 1.0
KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class _Said:
    """A pod's last words, and its log where that was wanted."""

    message: str
    log: str


@dataclass(slots=True)
class ClaimReader:
    """Reads directories of claims; what was read is kept for the life of the process.

    A claim does not say when its content changes: give the model another ``revision``, which is
    free text for a claim, and it is read again.
    """

    cluster: Cluster
    delivery: Delivery
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    _known: dict[ClaimDirectory, ModelFiles] = field(default_factory=dict)
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, where: ClaimDirectory) -> ModelFiles:
        """Run the Job and return what it found.

        Raises:
            SourceNotFoundError: the claim, the directory or its config do not exist.
            SourceUnreadableError: the Job could not run, or could not read it.
            UnsupportedSourceError: the operator was not told which image the Job has.
            ClusterError: the Job cannot be created.
        """
        if where in self._known:
            return self._known[where]
        found = unpacked((await self._run(where)).message)
        self._known[where] = found
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return found

    async def read_file(self, where: ClaimDirectory) -> bytes:
        """Run the Job and return the content of ``where.file``; nothing is kept.

        Raises as :meth:`read` does.
        """
        async with self._turns:  # of two with one name, the first would delete the other's Job
            said = await self._run(where)
        return opened(said.log, said.message)

    async def _run(self, where: ClaimDirectory) -> _Said:
        """Run the Job, and clean up after it."""
        if not self.delivery.image:
            raise UnsupportedSourceError(
                f"spec.model.source: {where.source} is read by a Job, and the operator has no "
                "image for it; set the chart's weights.image (--weights-image)"
            )
        manifest = claim_job(where, self.delivery.image, self.delivery.pull_policy)
        job = await self.cluster.apply(JOB, manifest)
        try:
            return await self._told(where, manifest["metadata"]["name"])
        finally:
            metadata = job["metadata"]
            await asyncio.shield(
                self.cluster.delete(JOB, where.namespace, metadata["name"], metadata.get("uid", ""))
            )

    async def _told(self, where: ClaimDirectory, name: str) -> _Said:
        """What the Job's pod leaves behind."""
        pods = replace(READER_POD, label_selector=f"{READS}={name}")
        pod: Mapping[str, Any] = {}
        for _ in range(int(JOB_SECONDS / POLL_SECONDS)):
            async for pod in self.cluster.objects(pods, where.namespace):
                if (told := told_by_pod(where, pod)) is not None:
                    return _Said(told, await self._log(where, pod) if where.file else "")
            await self.wait(POLL_SECONDS)
        why = waits_for(pod) or "its pod did not end"
        raise SourceUnreadableError(
            f"spec.model.source: the Job that reads {where.source} did not finish in "
            f"{JOB_SECONDS} s ({why}); it is tried again",
            retryable=True,
        )

    async def _log(self, where: ClaimDirectory, pod: Mapping[str, Any]) -> str:
        return await self.cluster.logs(where.namespace, pod["metadata"]["name"], CONTAINER)
