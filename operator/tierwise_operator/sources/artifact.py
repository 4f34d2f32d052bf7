"""A model in an OCI registry (``oci://``): an image, a ModelKit or a ModelPack artifact.

What the layers hold, by their media type and annotations:

- ``...tar`` and ``...tar+gzip``: archives of files (images, ModelKits, ModelPack's packed layers);
- anything else with a file name in an annotation: the file itself (ModelPack's raw layers, ORAS);
- ORAS writes single files under the media type of an image's layer; their title says so, unless
  ``io.deis.oras.content.unpack`` says that it is an archive after all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from tierwise_core.errors import SourceUnreadableError, UnsupportedSourceError
from tierwise_core.remote_files import Packing, RemoteFile, RemoteTree
from tierwise_operator.sources.ranges import within_range
from tierwise_operator.sources.registry import Registry

__all__ = ["Artifact", "safe_path"]

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
MAX_MANIFEST_BYTES: Final = 4 * 2**20
MAX_LAYERS: Final = 4096
FILE_NAMES: Final = (
    "org.cncf.model.filepath",
    "org.cnai.model.filepath",
    "org.opencontainers.image.title",
)
TITLE: Final = FILE_NAMES[-1]
UNPACK: Final = "io.deis.oras.content.unpack"
IMAGE_LAYERS: Final = ("application/vnd.oci.image.layer", "application/vnd.docker.image.rootfs")
NOT_THE_MODEL: Final = (".dataset.", ".datasets.", ".doc.", ".docs.")

Json = Mapping[str, Any]


@dataclass(slots=True)
class Artifact:
    """The artifact; see :class:`~tierwise_operator.sources.origin.Origin`."""

    registry: Registry
    _tree: RemoteTree | None = field(default=None)

    @property
    def label(self) -> str:
        """The source as it stands in the manifest."""
        return str(self.registry.reference)

    @property
    def place(self) -> str:
        """Registry and repository."""
        return f"oci {self.registry.address} {self.registry.reference.repository}"

    async def tree(self) -> RemoteTree:
        """The layers of the manifest; its revision is the manifest's digest."""
        digest, manifest = await self._manifest(self.registry.reference.version)
        if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
            digest, manifest = await self._manifest(_chosen(manifest, self.label))
        layers = manifest.get("layers")
        if not isinstance(layers, list) or not 0 < len(layers) <= MAX_LAYERS:
            raise SourceUnreadableError(
                f"spec.model.source: the manifest of {self.label} lists no layers; push the model "
                "as an image, a ModelKit or a ModelPack artifact"
            )
        files = [file for layer in layers if (file := _file(layer, self.label)) is not None]
        return RemoteTree(digest, tuple(files))

    async def chunks(
        self, file: RemoteFile, start: int, stop: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a range of a blob; a registry that ignores ranges is read from the beginning."""
        end = file.size_bytes if stop is None else min(stop, file.size_bytes)
        headers = {"Range": f"bytes={start}-{end - 1}"} if (start, end) != (0, 0) else {}
        async with self.registry.get(f"blobs/{file.identity}", headers) as response:
            async for wanted in within_range(response, start, end):
                yield wanted

    async def _manifest(self, version: str) -> tuple[str, Json]:
        """A manifest and its digest, which must be the one asked for."""
        accept = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
        async with self.registry.get(f"manifests/{version}", accept) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_MANIFEST_BYTES:
                    raise SourceUnreadableError(
                        f"spec.model.source: the manifest of {self.label} has over "
                        f"{MAX_MANIFEST_BYTES} bytes"
                    )
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if version.startswith("sha256:") and version != digest:
            raise SourceUnreadableError(
                f"spec.model.source: {self.label}: the registry sent a manifest of digest {digest} "
                f"for {version}; it is damaged",
                retryable=True,
            )
        return digest, _object(bytes(body), self.label)


def _object(body: bytes, label: str) -> Json:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadableError(
            f"spec.model.source: the manifest of {label} is not JSON ({error})"
        ) from error
    if not isinstance(parsed, dict):
        raise SourceUnreadableError(f"spec.model.source: the manifest of {label} is not an object")
    return parsed


def _chosen(index: Json, label: str) -> str:
    """The digest of the manifest to take out of an index: Linux on x86, else the first."""
    listed = [m for m in index.get("manifests") or () if isinstance(m, dict) and m.get("digest")]
    if not listed:
        raise SourceUnreadableError(f"spec.model.source: the index of {label} lists no manifests")

    def rank(manifest: Json) -> int:
        platform = manifest.get("platform") or {}
        return 0 if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64") else 1

    return str(min(listed, key=rank)["digest"])


def _file(layer: Any, label: str) -> RemoteFile | None:
    """A layer as a file; ``None`` for what is not the model."""
    match layer:
        case {"digest": str(digest), "size": int(size), "mediaType": str(media)} if size >= 0:
            pass
        case _:
            raise SourceUnreadableError(
                f"spec.model.source: the manifest of {label} has a layer without digest, size or "
                "media type"
            )
    if any(word in media for word in NOT_THE_MODEL):
        return None
    annotations = layer.get("annotations") or {}
    packing = _packing(media, annotations, label)
    name = next((str(annotations[key]) for key in FILE_NAMES if annotations.get(key)), "")
    if packing == "file":
        return RemoteFile(safe_path(name, label), size, digest) if name else None
    return RemoteFile(name or digest, size, digest, packing)


def _packing(media: str, annotations: Json, label: str) -> Packing:
    from_oras = TITLE in annotations and annotations.get(UNPACK) != "true"
    if from_oras and media.startswith(IMAGE_LAYERS):
        return "file"
    if media.endswith((".tar+gzip", ".tar.gzip", ".tgz")):
        return "tar+gzip"
    if media.endswith((".tar+zstd", ".tar.zstd")):
        raise UnsupportedSourceError(
            f"spec.model.source: {label} has a layer of {media}, compressed by zstd, which is not "
            "read; push it uncompressed (weights hardly compress) or with gzip"
        )
    return "tar" if media.endswith(".tar") else "file"


def safe_path(name: str, label: str) -> str:
    """A relative path without steps upward.

    Raises:
        SourceUnreadableError: it would leave the model's directory.

    >>> safe_path("./models/config.json", "x")
    'models/config.json'
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
        raise SourceUnreadableError(
            f"spec.model.source: {label} names a file {name!r}, which would lie outside of the "
            "model; push it with relative paths"
        )
    return str(path)
