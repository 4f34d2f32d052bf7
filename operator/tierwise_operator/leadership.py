"""Leadership: acquire the Lease, keep renewing it, give it back."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from tierwise_core.election import LeaseRecord, Sighting, claim, elect, release, sight
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.kinds import LEASE
from tierwise_operator.settings import LEASE_NAME

DURATION_SECONDS = 15
RENEW_DEADLINE_SECONDS = 10.0
RETRY_SECONDS = 2.0

log = structlog.get_logger("tierwise.leadership")


class LeadershipLostError(Exception):
    """The lease was not renewed in time: another process may lead now, so this one must end."""


class Leadership:
    """This process's standing in the election."""

    def __init__(self, cluster: Cluster, namespace: str, identity: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._identity = identity
        self._sighting: Sighting | None = None
        self._lease: Mapping[str, Any] | None = None
        self.leads = False

    async def acquire(self) -> None:
        """Wait until this process leads."""
        waiting_for = None
        while not await self.attempt(time.monotonic()):
            record = self._sighting.record if self._sighting else None
            if record and record.holder != waiting_for:
                waiting_for = record.holder
                log.info("standing by", leader=waiting_for)
            await asyncio.sleep(RETRY_SECONDS)
        log.info("leading", identity=self._identity)

    async def keep(self) -> None:
        """Renew until cancelled.

        Raises:
            LeadershipLostError: another process took the lease, or it could not be renewed.
        """
        renewed_at = time.monotonic()
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if await self.attempt(time.monotonic()):
                renewed_at = time.monotonic()
            elif not self.leads or time.monotonic() - renewed_at > RENEW_DEADLINE_SECONDS:
                self.leads = False
                raise LeadershipLostError(f"the lease {LEASE_NAME} was not renewed in time")

    async def attempt(self, now_seconds: float) -> bool:
        """Take one step of the election and say whether this process leads after it."""
        try:
            self._lease = await self._cluster.get(LEASE, self._namespace, LEASE_NAME)
            record = _record(self._lease) if self._lease else None
            self._sighting = sight(self._sighting, record, now_seconds)
            step = elect(self._sighting, self._identity, now_seconds)
            if step == "wait":
                self.leads = False
                return False
            wanted = claim(record, self._identity, _now(), DURATION_SECONDS)
            self._lease = await self._write(wanted)
        except ClusterError as error:
            log.warning("lease not written", error=str(error))
            return False
        self.leads = True
        return True

    async def give_back(self) -> None:
        """Let a standby take over at once."""
        if not self.leads or self._lease is None:
            return
        self.leads = False
        try:
            await self._write(release(_record(self._lease), _now()))
        except ClusterError as error:
            log.warning("lease not given back, it will expire", error=str(error))

    async def _write(self, record: LeaseRecord) -> Mapping[str, Any]:
        metadata: dict[str, Any] = {"name": LEASE_NAME, "namespace": self._namespace}
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": metadata,
            "spec": _spec(record),
        }
        if self._lease is None:
            return await self._cluster.create(LEASE, body)
        metadata["resourceVersion"] = self._lease["metadata"]["resourceVersion"]
        return await self._cluster.replace(LEASE, body)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _record(lease: Mapping[str, Any]) -> LeaseRecord:
    spec = lease.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration_seconds=int(spec.get("leaseDurationSeconds") or DURATION_SECONDS),
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=int(spec.get("leaseTransitions") or 0),
    )


def _spec(record: LeaseRecord) -> dict[str, Any]:
    return {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": record.duration_seconds,
        "acquireTime": record.acquired,
        "renewTime": record.renewed,
        "leaseTransitions": record.transitions,
    }
