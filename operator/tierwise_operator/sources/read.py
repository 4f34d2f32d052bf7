"""From ``spec.model.source`` to the facts that sizing needs: the one entry to this package."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx

from tierwise_core.architectures import metadata_from_config
from tierwise_core.errors import SizingError, SourceUnreadableError, UnsupportedSourceError
from tierwise_core.model_source import ModelSource, parse_source
from tierwise_core.safetensors_header import WeightTotals
from tierwise_core.sizing import Demand, ModelMetadata, SizeOverrides, missing_without_metadata
from tierwise_core.weight_bytes import stored_bytes
from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.credentials import NO_CREDENTIALS, Credentials
from tierwise_operator.sources.directory import read_directory
from tierwise_operator.sources.hub import read_repository
from tierwise_operator.sources.model_files import ModelFiles
from tierwise_operator.sources.origins import DEFAULT_ENDPOINT, Access, origin_of
from tierwise_operator.sources.tree_reading import read_tree

__all__ = ["DEFAULT_ENDPOINT", "ReadClaim", "read_metadata"]

DEADLINE_SECONDS: Final = 60.0
NO_OVERRIDES: Final = SizeOverrides()

ReadClaim = Callable[[ModelSource], Awaitable[ModelFiles]]
"""Reads the model in a directory of a PersistentVolumeClaim."""


async def read_metadata(  # noqa: PLR0913 - one call, and all but the source by name
    source: str,
    revision: str | None = None,
    *,
    client: httpx.AsyncClient,
    endpoint: str = DEFAULT_ENDPOINT,
    token: str | None = None,
    cache: MetadataCache | None = None,
    overrides: SizeOverrides = NO_OVERRIDES,
    credentials: Credentials | None = None,
    s3_endpoint: str | None = None,
    insecure_registries: tuple[str, ...] = (),
    claims: ReadClaim | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> ModelMetadata:
    """What the model says about itself. Reads some hundred kilobytes, never the weights.

    Args:
        source: ``spec.model.source``.
        revision: ``spec.model.revision``; a branch, tag or commit of a repository, a tag or digest
            in a registry.
        client: makes the requests; its timeouts hold for each of them.
        endpoint: ``HF_ENDPOINT``, the Hub or a mirror of it.
        token: for repositories of the Hub, where ``credentials`` have none.
        cache: keeps what was read, by content; share one between calls.
        overrides: ``spec.model.size``; what is given there may be missing in the files.
        credentials: of the source, as ``spec.model.secretRef`` gives them; they go to the source
            alone.
        s3_endpoint: a store that speaks S3, where it is not Amazon's.
        insecure_registries: OCI registries that are spoken to without TLS.
        claims: reads a directory of a PersistentVolumeClaim; without it ``pvc://`` is refused.
        deadline_seconds: for the whole reading; a claim's has its own.

    Raises:
        SourceNotFoundError: the source, its revision or its config do not exist.
        UnauthorizedError: credentials are missing or do not suffice.
        SourceUnreadableError: an outage (``retryable``), or damaged files.
        UnsupportedSourceError: metadata cannot be read from this kind of source.
        UnknownArchitectureError: the config does not say how large the KV cache is.
    """
    where = parse_source(source, revision)
    kept = cache if cache is not None else MetadataCache()
    access = Access(
        client, endpoint, token, s3_endpoint, insecure_registries, credentials or NO_CREDENTIALS
    )
    if where.scheme == "pvc":
        return _metadata(source, await _read_claim(where, source, claims), overrides)
    try:
        async with asyncio.timeout(deadline_seconds):
            files = await _read(where, access, kept)
    except TimeoutError as error:
        raise SourceUnreadableError(
            f"spec.model.source: reading {source} took over {deadline_seconds:.0f} s; it is tried "
            "again",
            retryable=True,
        ) from error
    return _metadata(source, files, overrides)


async def _read(where: ModelSource, access: Access, kept: MetadataCache) -> ModelFiles:
    if where.scheme == "file":
        return await asyncio.to_thread(read_directory, where.location, kept)
    if where.scheme == "hf":
        return await read_repository(access.repository(where), kept)
    return await read_tree(where, origin_of(where, access), kept)


async def _read_claim(where: ModelSource, source: str, claims: ReadClaim | None) -> ModelFiles:
    fields = missing_without_metadata(SizeOverrides(), Demand())
    if claims is None:
        raise UnsupportedSourceError(
            f"spec.model.source: the metadata of {source} is not read from here (only the operator "
            f"can, by a Job); set {', '.join(fields[:-1])} and {fields[-1]}, which suffice"
        )
    return await claims(where)


def _counted(config: Mapping[str, Any]) -> str:
    """What to set it to, where the config alone tells it."""
    try:
        return f" (its config.json counts {stored_bytes(config)} bytes)"
    except SizingError:
        return ""


def _metadata(source: str, files: ModelFiles, overrides: SizeOverrides) -> ModelMetadata:
    """The facts, once the weights are known from the files or from the overrides."""
    totals = files.totals
    if totals is None and overrides.weights_bytes is None and overrides.parameters is None:
        why = files.note or "has no safetensors files"
        raise SourceUnreadableError(
            f"spec.model.source: {source} {why}, so the size of its weights is not known; convert "
            f"it to safetensors or set spec.model.size.weights{_counted(files.config)}"
        )
    totals = totals or WeightTotals()
    return metadata_from_config(
        files.config,
        totals.weights_bytes,
        totals.elements,
        totals.elements_by_dtype,
        overrides=overrides,
    )
