"""From ``spec.model.source`` to the facts that sizing needs: the one entry to this package."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx

from tierwise_core.architectures import metadata_from_config
from tierwise_core.errors import SourceUnreadableError, UnsupportedSourceError
from tierwise_core.model_source import ModelSource, parse_source
from tierwise_core.safetensors_header import WeightTotals
from tierwise_core.sizing import Demand, ModelMetadata, SizeOverrides, missing_without_metadata
from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.directory import read_directory
from tierwise_operator.sources.hub import read_repository
from tierwise_operator.sources.hub_http import HubRepository
from tierwise_operator.sources.model_files import ModelFiles

__all__ = ["DEFAULT_ENDPOINT", "read_metadata"]

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
DEADLINE_SECONDS: Final = 60.0
NO_OVERRIDES: Final = SizeOverrides()


async def read_metadata(  # noqa: PLR0913 - one call, and all but the source by name
    source: str,
    revision: str | None = None,
    *,
    client: httpx.AsyncClient,
    endpoint: str = DEFAULT_ENDPOINT,
    token: str | None = None,
    cache: MetadataCache | None = None,
    overrides: SizeOverrides = NO_OVERRIDES,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> ModelMetadata:
    """What the model says about itself. Reads some hundred kilobytes, never the weights.

    Args:
        source: ``spec.model.source``.
        revision: ``spec.model.revision``; a branch, tag or commit of a repository.
        client: makes the requests; its timeouts hold for each of them.
        endpoint: ``HF_ENDPOINT``, the Hub or a mirror of it.
        token: for gated and private repositories; goes to the endpoint alone.
        cache: keeps what was read, by content; share one between calls.
        overrides: ``spec.model.size``; what is given there may be missing in the files.
        deadline_seconds: for the whole reading.

    Raises:
        SourceNotFoundError: the source, its revision or its config do not exist.
        SourceUnreadableError: no permission, an outage (``retryable``), or damaged files.
        UnsupportedSourceError: metadata cannot be read from this kind of source.
        UnknownArchitectureError: the config does not say how large the KV cache is.
    """
    where = parse_source(source, revision)
    kept = cache if cache is not None else MetadataCache()
    try:
        async with asyncio.timeout(deadline_seconds):
            if where.scheme == "file":
                files = await asyncio.to_thread(read_directory, where.location, kept)
            elif where.scheme == "hf":
                name, at = where.location, where.revision
                repository = HubRepository(client, endpoint.rstrip("/"), name, at, token)
                files = await read_repository(repository, kept)
            else:
                raise _unsupported(where, source)
    except TimeoutError as error:
        raise SourceUnreadableError(
            f"spec.model.source: reading {source} took over {deadline_seconds:.0f} s; it is tried "
            "again",
            retryable=True,
        ) from error
    return _metadata(source, files, overrides)


def _unsupported(where: ModelSource, source: str) -> UnsupportedSourceError:
    """Which overrides make reading needless."""
    fields = missing_without_metadata(SizeOverrides(), Demand())
    return UnsupportedSourceError(
        f"spec.model.source: the metadata of {source} cannot be read ({where.scheme}:// is not "
        f"readable from the operator); set {', '.join(fields[:-1])} and {fields[-1]}, which suffice"
    )


def _metadata(source: str, files: ModelFiles, overrides: SizeOverrides) -> ModelMetadata:
    """The facts, once the weights are known from the files or from the overrides."""
    totals = files.totals
    if totals is None and overrides.weights_bytes is None and overrides.parameters is None:
        raise SourceUnreadableError(
            f"spec.model.source: {source} has no safetensors files, so the size of its weights is "
            "not known; convert it to safetensors or set spec.model.size.weights"
        )
    totals = totals or WeightTotals()
    return metadata_from_config(
        files.config,
        totals.weights_bytes,
        totals.elements,
        totals.elements_by_dtype,
        overrides=overrides,
    )
