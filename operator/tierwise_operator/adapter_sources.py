"""What an adapter says of itself, wherever its files lie: its config and its tensors' shapes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tierwise_core.errors import (
    SourceNotFoundError,
    SourceUnreadableError,
    UnsupportedSourceError,
)
from tierwise_core.lora import AdapterFacts, read_adapter
from tierwise_core.model_source import ModelSource, parse_source
from tierwise_core.remote_files import model_root
from tierwise_core.safetensors_header import LENGTH_BYTES, header_bytes, read_header
from tierwise_operator.sources.credentials import Credentials
from tierwise_operator.sources.model_files import MAX_CONFIG_BYTES, parse_object
from tierwise_operator.sources.origin import Origin, Slice, slice_of
from tierwise_operator.sources.origins import Access, origin_of

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "AdapterAsked",
    "ReadAdapter",
    "adapter_facts",
    "adapter_reader",
]

ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
DEADLINE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class AdapterAsked:
    """Which adapter is asked about; the Secret with its source's credentials, if there is one.

    ``namespace`` is empty without a Secret, so that Specialists share what was read.
    """

    source: str
    namespace: str = ""
    secret_name: str = ""


ReadAdapter = Callable[[AdapterAsked], Awaitable[AdapterFacts]]
"""Reads an adapter's own files."""

SecretCredentials = Callable[[str, str], Awaitable[Credentials]]
"""The credentials in a Secret, by namespace and name."""

OriginOf = Callable[[ModelSource], Origin]


def adapter_reader(
    access: Access | None = None, secrets: SecretCredentials | None = None
) -> ReadAdapter:
    """Return the reader of adapters; without access to the network it reads directories alone."""

    async def read(asked: AdapterAsked) -> AdapterFacts:
        reach = access
        if access is not None and secrets is not None and asked.secret_name:
            found = await secrets(asked.namespace, asked.secret_name)
            reach = replace(access, credentials=found)
        return await adapter_facts(asked.source, partial(_origin, reach))

    return read


def _origin(access: Access | None, where: ModelSource) -> Origin:
    if access is None:
        raise UnsupportedSourceError(f"{where.scheme}://{where.location} is not read from here")
    return origin_of(where, access)


async def adapter_facts(
    source: str, origin: OriginOf, deadline_seconds: float = DEADLINE_SECONDS
) -> AdapterFacts:
    """What the adapter's own files say; some hundred kilobytes are read.

    Raises:
        SourceNotFoundError: there is no such place, or no adapter in it.
        SourceUnreadableError: an outage, no permission, or files that make no sense.
        UnsupportedSourceError: the place cannot be read from here.
        InvalidAdapterError: it is no LoRA adapter, or has what the engine does not do.
    """
    where = parse_source(source)
    try:
        async with asyncio.timeout(deadline_seconds):
            if where.scheme == "file":
                files = await asyncio.to_thread(_directory, Path(where.location))
            elif where.scheme == "pvc":
                raise UnsupportedSourceError(f"{source} can be read by pods alone")
            else:
                files = await _tree(origin(where))
            return await _facts(source, files)
    except TimeoutError as error:
        raise SourceUnreadableError(
            f"reading {source} took over {deadline_seconds:.0f} s; it is tried again",
            retryable=True,
        ) from error


async def _tree(origin: Origin) -> Mapping[str, Slice]:
    tree = await origin.tree()
    paths = {file.path: file for file in tree.files}
    root = model_root(paths)
    inner = {path.removeprefix(f"{root}/") if root else path: f for path, f in paths.items()}
    return {path: slice_of(origin, file) for path, file in inner.items()}


def _directory(directory: Path) -> Mapping[str, Slice]:
    """The two files of a directory of this machine."""
    found = {name: directory / name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)}
    try:
        if not directory.is_dir():
            raise SourceNotFoundError(
                f"there is no directory {directory} here; put the adapter there on every node, "
                "and list its parent in the chart's operator.modelRoots"
            )
        return {name: _local(path) for name, path in found.items() if path.is_file()}
    except PermissionError as error:
        raise SourceUnreadableError(
            f"{error.filename or directory}: permission denied; make it readable for the operator"
        ) from error


def _local(path: Path) -> Slice:
    def part(start: int, count: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(count)

    async def read(start: int, count: int) -> bytes:
        try:
            return await asyncio.to_thread(part, start, count)
        except OSError as error:
            raise SourceUnreadableError(f"{path}: {error.strerror or error}") from error

    return Slice(path.stat().st_size, read)


async def _facts(source: str, files: Mapping[str, Slice]) -> AdapterFacts:
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if name not in files:
            raise SourceNotFoundError(
                f"{source} has no {name}; give the directory of an adapter as PEFT saves it "
                f"({ADAPTER_CONFIG} and {ADAPTER_WEIGHTS})"
            )
    config = files[ADAPTER_CONFIG]
    label = f"{source} {ADAPTER_CONFIG}"
    if config.size_bytes > MAX_CONFIG_BYTES:
        raise SourceUnreadableError(
            f"{label} has {config.size_bytes} bytes; at most {MAX_CONFIG_BYTES} are read"
        )
    parsed = parse_object(await config.read(0, config.size_bytes), label)
    return read_adapter(parsed, await _shapes(source, files[ADAPTER_WEIGHTS]))


async def _shapes(source: str, weights: Slice) -> Mapping[str, tuple[int, ...]]:
    """The shape of each tensor, from the header of the weights."""
    label = f"{source} {ADAPTER_WEIGHTS}"
    start = await weights.read(0, min(LENGTH_BYTES, weights.size_bytes))
    header = await weights.read(LENGTH_BYTES, header_bytes(start, label, weights.size_bytes))
    read_header(header, label, weights.size_bytes)
    tensors: dict[str, Any] = json.loads(header)
    return {
        name: tuple(entry["shape"]) for name, entry in tensors.items() if name != "__metadata__"
    }
