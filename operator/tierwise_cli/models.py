"""Reading what models say about themselves, several at once, with a progress bar on a terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tierwise_cli.printing import page
from tierwise_core.errors import TierwiseError
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.specialist import ModelSpec, ReadingFailed
from tierwise_operator.sources import Credentials, MetadataCache, read_metadata
from tierwise_operator.sources.read import DEFAULT_ENDPOINT

__all__ = ["Sources", "read_model", "read_models"]

Key = tuple[str, str | None, SizeOverrides]
AT_ONCE = 8
TIMEOUT_SECONDS = 15.0
FILE = "file://"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where models are read from.

    Attributes:
        endpoint: the Hub, or a server that answers like it.
        offline: read directories of this machine alone.
        roots: where directories of the nodes are on this machine (``/models`` -> ``~/models``).
    """

    endpoint: str = ""
    offline: bool = False
    roots: Mapping[str, Path] = field(default_factory=dict)

    def here(self, source: str) -> str:
        """The source as this machine has it.

        >>> Sources(roots={"/models": Path("/home/me/models")}).here("file:///models/sorter")
        'file:///home/me/models/sorter'
        """
        path = source.removeprefix(FILE)
        for root, place in self.roots.items():
            if source.startswith(FILE) and Path(path).is_relative_to(root):
                return f"{FILE}{(place / Path(path).relative_to(root)).resolve()}"
        return source


def read_model(
    source: str, revision: str | None, overrides: SizeOverrides, sources: Sources
) -> ModelMetadata:
    """What one model says about itself.

    Raises:
        SourceError, UnknownArchitectureError: as the operator would meet them.
    """

    async def read() -> ModelMetadata:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            return await _read(sources, client, MetadataCache(), (source, revision, overrides))

    return asyncio.run(read())


def read_models(
    models: Iterable[ModelSpec], sources: Sources
) -> dict[Key, ModelMetadata | ReadingFailed]:
    """What each of the models says, or why it cannot be read; equal ones are read once."""
    keys = list(dict.fromkeys((m.source, m.revision, m.size) for m in models))
    with _progress() as bar:
        task = bar.add_task("Reading models", total=len(keys))
        return asyncio.run(_read_all(keys, sources, lambda: bar.advance(task)))


def _progress() -> Progress:
    """A bar on standard error that disappears when done; nothing where no terminal is."""
    console = page(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


async def _read_all(
    keys: Iterable[Key], sources: Sources, done: Callable[[], None]
) -> dict[Key, ModelMetadata | ReadingFailed]:
    cache, slots = MetadataCache(), asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:

        async def one(key: Key) -> ModelMetadata | ReadingFailed:
            async with slots:
                result = await _attempt(sources, client, cache, key)
            done()
            return result

        listed = list(keys)
        results = await asyncio.gather(*(one(key) for key in listed))
    return dict(zip(listed, results, strict=True))


async def _attempt(
    sources: Sources, client: httpx.AsyncClient, cache: MetadataCache, key: Key
) -> ModelMetadata | ReadingFailed:
    source = key[0]
    if sources.offline and not source.startswith(FILE):
        return ReadingFailed("SourceUnreadable", f"{source} is not read: --offline")
    try:
        return await _read(sources, client, cache, key)
    except TierwiseError as error:
        return ReadingFailed(error.reason, _not_here(sources.here(source)) or str(error))


def _not_here(source: str) -> str:
    """What to do about a directory that only the nodes have; empty where it is here."""
    path = Path(source.removeprefix(FILE))
    if not source.startswith(FILE) or path.exists():
        return ""
    return (
        f"spec.model.source: there is no directory {path} on this machine; say where it is here "
        f"with --model-root {path.parent}=DIR, or what the model takes with spec.model.size"
    )


async def _read(
    sources: Sources, client: httpx.AsyncClient, cache: MetadataCache, key: Key
) -> ModelMetadata:
    source, revision, overrides = key
    return await read_metadata(
        sources.here(source),
        revision,
        client=client,
        endpoint=sources.endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT,
        token=os.environ.get("HF_TOKEN") or None,
        cache=cache,
        overrides=overrides,
        credentials=Credentials.from_environment(os.environ) if not _is_hub(source) else None,
        s3_endpoint=os.environ.get("AWS_ENDPOINT_URL") or None,
    )


def _is_hub(source: str) -> bool:
    """The Hub's token goes by its own argument: credentials without one would be refused there."""
    return source.startswith("hf://")
