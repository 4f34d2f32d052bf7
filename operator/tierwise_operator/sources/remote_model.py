"""Config and weight totals of a model whose files can be read by ranges, wherever they lie."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from tierwise_core.errors import SourceNotFoundError, SourceUnreadableError
from tierwise_core.remote_files import model_root
from tierwise_core.safetensors_header import (
    LENGTH_BYTES,
    WeightTotals,
    header_bytes,
    read_header,
)
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
from tierwise_operator.sources.origin import Slice

__all__ = ["read_model"]

FIRST_BYTES: Final = 128 * 1024
REQUESTS_AT_ONCE: Final = 8
DUPLICATES: Final = "consolidated"


async def read_model(source: str, files: Mapping[str, Slice]) -> ModelFiles:
    """The config and the weight totals of the model among those files.

    Raises:
        SourceNotFoundError: there is no config, or a listed shard is missing.
        SourceUnreadableError: a file makes no sense.
    """
    root = model_root(files.keys())
    inner = {_below(path, root): found for path, found in files.items() if _is_below(path, root)}
    if CONFIG not in inner:
        raise SourceNotFoundError(
            f"spec.model.source: {source} has no {CONFIG}; give the place of a model as the Hub "
            "lays it out"
        )
    config = await _whole(inner[CONFIG], f"{source} {CONFIG}", MAX_CONFIG_BYTES)
    parsed = parse_object(config, f"{source} {CONFIG}")
    shards = await _shards(source, inner)
    return ModelFiles(parsed, await _totals(source, inner, shards) if shards else None)


def _is_below(path: str, root: str) -> bool:
    return not root or path.startswith(f"{root}/")


def _below(path: str, root: str) -> str:
    return path[len(root) + 1 :] if root else path


async def _whole(found: Slice, label: str, limit: int) -> bytes:
    if found.size_bytes > limit:
        raise SourceUnreadableError(
            f"{label} has {found.size_bytes} bytes; at most {limit} are read"
        )
    return await found.read(0, found.size_bytes)


async def _shards(source: str, files: Mapping[str, Slice]) -> tuple[str, ...]:
    """The weight files, as vLLM would choose them."""
    if INDEX in files:
        label = f"{source} {INDEX}"
        body = await _whole(files[INDEX], label, MAX_INDEX_BYTES)
        names = shard_names(parse_object(body, label), label)
        for name in names:
            if name not in files:
                raise SourceNotFoundError(
                    f"spec.model.source: {source} has no {name}, which {INDEX} lists; upload it"
                )
        return names
    if WEIGHTS in files:
        return (WEIGHTS,)
    found = (name for name in sorted(files) if name.endswith(".safetensors") and "/" not in name)
    return tuple(name for name in found if not name.startswith(DUPLICATES))


async def _totals(source: str, files: Mapping[str, Slice], shards: tuple[str, ...]) -> WeightTotals:
    gate = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def one(name: str) -> WeightTotals:
        async with gate:
            return await _header(files[name], f"{source} {name}")

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(name)) for name in shards]
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return WeightTotals.total(task.result() for task in tasks)


async def _header(found: Slice, label: str) -> WeightTotals:
    """The totals of one weight file, by one range request, or two if its header is long."""
    start = await found.read(0, min(FIRST_BYTES, found.size_bytes))
    end = LENGTH_BYTES + header_bytes(start, label, found.size_bytes)
    if len(start) < end:
        start += await found.read(len(start), end - len(start))
    return read_header(start[LENGTH_BYTES:end], label, found.size_bytes)
