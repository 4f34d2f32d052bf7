"""Resources from YAML files: the same ones a cluster has, for a router without a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog
import yaml

from tierwise_core.errors import TierwiseError
from tierwise_router.sources import Resources

__all__ = ["FileSource", "ResourceFileError", "read_resources"]

log = structlog.get_logger(__name__)

POLL_S = 0.2
GROUP = "tierwise.dev/"
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ResourceFileError(TierwiseError):
    """A file cannot be read as resources; the message names the file and the line."""

    reason = "InvalidFile"


class FileSource:
    """Reads files, and reads them again when one changes.

    Modification times are looked at five times a second: that works on every file system, in a
    mounted ConfigMap (where the file is a link that is switched) as on a network drive. A file
    that does not parse any more keeps what it said before.
    """

    def __init__(self, paths: Sequence[Path], poll_s: float = POLL_S) -> None:
        self._paths = tuple(paths)
        self._poll_s = poll_s

    async def snapshots(self) -> AsyncIterator[Resources]:
        """Yield the resources of all files, at first and after each change."""
        seen = self._stamps()
        yield read_resources(self._paths)
        while True:
            await asyncio.sleep(self._poll_s)
            if (now := self._stamps()) == seen:
                continue
            seen = now
            try:
                resources = read_resources(self._paths)
            except ResourceFileError as error:
                log.warning("routes not reloaded; the last good ones stay", error=str(error))
                continue
            yield resources

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def read_resources(paths: Sequence[Path]) -> Resources:
    """Read every GPUTier and Specialist of some files; raises ResourceFileError.

    A file has one or more YAML documents, each a resource or a ``v1`` List of resources, as
    ``kubectl get gt,sp -o yaml`` prints. Other kinds are passed over.
    """
    return tuple(resource for path in paths for resource in _read(path))


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        documents = list(yaml.load_all(path.read_text(), Loader=Loader))
    except OSError as error:
        raise ResourceFileError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ResourceFileError(f"{path} is not valid YAML: {error}") from error
    found = [resource for document in documents for resource in _resources(document, path)]
    if not found:
        raise ResourceFileError(
            f"{path} has no GPUTier and no Specialist; each document needs "
            f"'apiVersion: {GROUP}v1alpha1' and a 'kind'"
        )
    yield from found


def _resources(document: Any, path: Path) -> Iterator[dict[str, Any]]:
    if document is None:
        return
    if not isinstance(document, dict):
        raise ResourceFileError(
            f"{path} has a document that is a {type(document).__name__}; give a mapping"
        )
    if document.get("kind") == "List":
        for item in document.get("items") or ():
            yield from _resources(item, path)
    elif str(document.get("apiVersion", "")).startswith(GROUP):
        yield document
