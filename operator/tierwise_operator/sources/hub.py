"""A model in a repository of the Hub, or of a mirror that answers like it (``hf://``).

One small request finds the commit that the revision means. If that commit was read before, nothing
more is asked. Else the index says which files hold the weights, and a range request each brings
their headers. Everything after the first request is asked at the commit, so that a branch that
moves meanwhile cannot mix two revisions.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from tierwise_core.errors import SourceNotFoundError
from tierwise_core.safetensors_header import (
    LENGTH_BYTES,
    WeightTotals,
    header_bytes,
    read_header,
)
from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.hub_http import HubRepository
from tierwise_operator.sources.model_files import (
    CONFIG,
    INDEX,
    MAX_CONFIG_BYTES,
    MAX_INDEX_BYTES,
    WEIGHTS,
    ModelFiles,
    parse_object,
    shard_names,
)

__all__ = ["read_repository"]

FIRST_BYTES: Final = 128 * 1024
"""What is asked of a weight file at first: nearly always its whole header."""

REQUESTS_AT_ONCE: Final = 8
COMMIT: Final = re.compile(r"[0-9a-f]{40}")


async def read_repository(repository: HubRepository, cache: MetadataCache) -> ModelFiles:
    """The files of the model in that repository.

    Raises:
        SourceNotFoundError: repository, revision or config do not exist.
        SourceUnreadableError: no permission, an outage, or a file that makes no sense.
    """
    if COMMIT.fullmatch(repository.revision):
        known = cache.get(_key(repository, repository.revision))
        if known is not None:
            return known
    config = await repository.fetch(CONFIG, MAX_CONFIG_BYTES)
    if config.commit:
        repository = repository.at(config.commit)
        known = cache.get(_key(repository, config.commit))
        if known is not None:
            return known
    totals = await _totals(repository)
    files = ModelFiles(parse_object(config.body, repository.label(CONFIG)), totals)
    if config.commit:
        cache.put(_key(repository, config.commit), files)
    return files


def _key(repository: HubRepository, commit: str) -> tuple[str, ...]:
    """A repository at a commit never changes."""
    return ("hf", repository.endpoint, repository.name, commit)


async def _totals(repository: HubRepository) -> WeightTotals | None:
    """The totals of all weight files; ``None`` if there are no safetensors."""
    try:
        index = await repository.fetch(INDEX, MAX_INDEX_BYTES)
    except SourceNotFoundError:
        return await _single(repository)
    label = repository.label(INDEX)
    shards = shard_names(parse_object(index.body, label), label)
    gate = asyncio.Semaphore(REQUESTS_AT_ONCE)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_gated(gate, repository, shard)) for shard in shards]
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return WeightTotals.total(task.result() for task in tasks)


async def _gated(gate: asyncio.Semaphore, repository: HubRepository, file: str) -> WeightTotals:
    async with gate:
        return await _header(repository, file)


async def _single(repository: HubRepository) -> WeightTotals | None:
    """The totals of a model in one file."""
    try:
        return await _header(repository, WEIGHTS)
    except SourceNotFoundError:
        return None


async def _header(repository: HubRepository, file: str) -> WeightTotals:
    """The totals of one weight file, by one range request, or two if its header is long."""
    label = repository.label(file)
    start = await repository.fetch_start(file, FIRST_BYTES)
    end = LENGTH_BYTES + header_bytes(start.body, label, start.total_bytes)
    if len(start.body) < end:
        start = await repository.fetch_start(file, end)
    return read_header(start.body[LENGTH_BYTES:end], label, start.total_bytes)
