"""Metadata of a model whose source lists its files: an object store, or a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tierwise_core.model_source import ModelSource
from tierwise_core.remote_files import RemoteFile
from tierwise_operator.sources.archive import MAX_GZIP_BYTES, gunzipped, members
from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.model_files import ModelFiles
from tierwise_operator.sources.origin import Origin, Slice, slice_of
from tierwise_operator.sources.remote_model import read_model

__all__ = ["read_tree"]


async def read_tree(where: ModelSource, origin: Origin, cache: MetadataCache) -> ModelFiles:
    """The files of the model; what is listed as it was before is not read again.

    Raises:
        SourceNotFoundError: there is no such model, or no config in it.
        SourceUnreadableError: it cannot be read, or makes no sense.
    """
    source = f"{where.scheme}://{where.location}"
    tree = await origin.tree()
    key = (origin.place, tree.revision)
    known = cache.get(key)
    if known is not None:
        return known
    files, closed = await _look_into(origin, source, tree.files)
    found = await read_model(source, files)
    if found.totals is None and closed:
        found = replace(found, note=f"has its weights in a compressed archive ({closed[0]})")
    cache.put(key, found)
    return found


async def _look_into(
    origin: Origin, source: str, listed: tuple[RemoteFile, ...]
) -> tuple[Mapping[str, Slice], list[str]]:
    """Every file, those in archives too; and the archives that are too large to look into."""
    files: dict[str, Slice] = {}
    closed = []
    for file in listed:
        whole = slice_of(origin, file)
        label = f"{source} {file.path}"
        if file.packing == "file":
            files[file.path] = whole
        elif file.packing == "tar":
            files |= await members(whole, label)
        elif file.size_bytes <= MAX_GZIP_BYTES:
            files |= await members(await gunzipped(whole, label), label)
        else:
            closed.append(file.path)
    return files, closed
