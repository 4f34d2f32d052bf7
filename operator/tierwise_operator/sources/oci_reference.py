"""``oci://registry/repository:tag@digest`` taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tierwise_core.errors import UnsupportedSourceError

__all__ = ["OciReference", "parse_reference"]

REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
DEFAULT_HOST: Final = "docker.io"
DEFAULT_TAG: Final = "latest"


@dataclass(frozen=True, slots=True)
class OciReference:
    """A repository of a registry, and which of its manifests: a tag, or a digest."""

    host: str
    repository: str
    version: str

    def __str__(self) -> str:
        mark = "@" if self.pinned else ":"
        return f"oci://{self.host}/{self.repository}{mark}{self.version}"

    @property
    def pinned(self) -> bool:
        """Whether it is a digest, which never means anything else."""
        return DIGEST.fullmatch(self.version) is not None


def parse_reference(location: str, revision: str = "") -> OciReference:
    """The parts of what follows ``oci://``, and of ``spec.model.revision``.

    Raises:
        UnsupportedSourceError: it is no reference, or names two versions.

    >>> str(parse_reference("ghcr.io/acme/sorter:v1"))
    'oci://ghcr.io/acme/sorter:v1'
    >>> parse_reference("alpine")
    OciReference(host='docker.io', repository='library/alpine', version='latest')
    """
    name, _, digest = location.partition("@")
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    versions = {word for word in (digest, revision) if word} or {tag or DEFAULT_TAG}
    host, repository = _host_and_path(f"{head}{slash}{last}")
    sound = REPOSITORY.fullmatch(repository) and (not colon or TAG.fullmatch(tag))
    if not sound:
        raise UnsupportedSourceError(
            f'spec.model.source: "oci://{location}" is not an image or artifact; write '
            "oci://registry/repository:tag or oci://registry/repository@sha256:..."
        )
    if len(versions) > 1 or (revision and colon and tag != revision):
        raise UnsupportedSourceError(
            f"spec.model.source names {tag or digest} and spec.model.revision {revision}; keep one"
        )
    version = versions.pop()
    if not (TAG.fullmatch(version) or DIGEST.fullmatch(version)):
        raise UnsupportedSourceError(
            f'spec.model.revision: "{version}" is neither a tag nor a digest sha256:...'
        )
    return OciReference(host, repository, version)


def _host_and_path(name: str) -> tuple[str, str]:
    """A first part with a dot, a port, or named localhost is the registry."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return DEFAULT_HOST, name if slash else f"library/{name}"
