"""The reader of models' metadata that the operator runs with: its Secrets, its Jobs, one cache."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import httpx

from tierwise_core.claim_job import ClaimDirectory
from tierwise_core.errors import UnauthorizedError
from tierwise_core.model_metadata import ModelMetadata
from tierwise_core.model_source import ModelSource
from tierwise_operator.claim_reading import ClaimReader
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.kinds import SECRET
from tierwise_operator.readings import Asked, Read
from tierwise_operator.settings import Settings
from tierwise_operator.sources import Credentials, MetadataCache, read_metadata
from tierwise_operator.sources.model_files import ModelFiles
from tierwise_operator.sources.origins import DEFAULT_ENDPOINT, Access
from tierwise_operator.sources.read import ReadClaim
from tierwise_operator.weights.locks import Wait

__all__ = ["access", "model_reader", "secret_credentials"]


def model_reader(
    client: httpx.AsyncClient, settings: Settings, cluster: Cluster, wait: Wait = asyncio.sleep
) -> Read:
    """Return the reader, with one cache for the process; ``wait`` sleeps between looks at a Job."""
    cache = MetadataCache()
    claims = ClaimReader(cluster, settings.delivery, wait)

    async def read(asked: Asked) -> ModelMetadata:
        return await read_metadata(
            asked.source,
            asked.revision,
            client=client,
            endpoint=settings.hf_endpoint or DEFAULT_ENDPOINT,
            token=settings.hf_token,
            cache=cache,
            overrides=asked.size,
            credentials=await _credentials(cluster, asked),
            s3_endpoint=settings.delivery.s3_endpoint,
            insecure_registries=settings.delivery.insecure_registries,
            claims=None if asked.told_by_hand else _in_namespace(claims, asked.namespace),
        )

    return read


def _in_namespace(claims: ClaimReader, namespace: str) -> ReadClaim:
    async def read(where: ModelSource) -> ModelFiles:
        claim, _, path = where.location.partition("/")
        return await claims.read(ClaimDirectory(namespace, claim, path, where.revision))

    return read


async def _credentials(cluster: Cluster, asked: Asked) -> Credentials | None:
    if not asked.secret_name:
        return None
    return await secret_credentials(cluster, asked.namespace, asked.secret_name)


async def secret_credentials(cluster: Cluster, namespace: str, name: str) -> Credentials:
    """The credentials in a Secret.

    Raises:
        UnauthorizedError: there is no such Secret, or the operator may not read it.
    """
    try:
        found = await cluster.get(SECRET, namespace, name)
    except ClusterError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        raise UnauthorizedError(
            f"spec.model.secretRef: the operator may not read the Secret {name} in namespace "
            f"{namespace}; add its name to the chart's weights.secrets"
        ) from error
    if found is None:
        raise UnauthorizedError(
            f"spec.model.secretRef: there is no Secret {name} in namespace {namespace}; create it, "
            "or correct the name",
            retryable=True,
        )
    return Credentials.from_secret(name, found.get("data") or {})


def access(client: httpx.AsyncClient, settings: Settings) -> Access:
    """Return how sources on the network are reached."""
    return Access(
        client,
        settings.hf_endpoint or DEFAULT_ENDPOINT,
        settings.hf_token,
        settings.delivery.s3_endpoint,
        settings.delivery.insecure_registries,
    )
