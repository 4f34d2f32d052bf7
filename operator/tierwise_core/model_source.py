"""``spec.model.source`` taken apart: where a model's files are, and of which revision.

::

    hf://org/name[@revision]     a repository of the Hub, or of a mirror that answers like it
    file:///models/name          a directory on the node
    pvc://claim/path             a directory in a PersistentVolumeClaim
    s3://bucket/prefix           an object store
    oci://registry/image         an image or artifact
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import unquote

from tierwise_core.errors import UnsupportedSourceError

__all__ = ["HUB_DEFAULT_REVISION", "ModelSource", "Scheme", "parse_source"]

Scheme = Literal["hf", "file", "pvc", "s3", "oci"]

HUB_DEFAULT_REVISION: Final = "main"
SCHEMES: Final = ("hf", "file", "pvc", "s3", "oci")
REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
REVISION: Final = re.compile(r"[\w][\w./-]*")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A source that is well formed; whether it exists is another question.

    Attributes:
        scheme: the part before ``://``.
        location: the repository, the absolute directory, ``claim/path``, or what follows ``://``.
        revision: branch, tag or commit; empty where the scheme has none.
    """

    scheme: Scheme
    location: str
    revision: str = ""


def parse_source(source: str, revision: str | None = None) -> ModelSource:
    """The parts of ``spec.model.source`` and ``spec.model.revision``.

    Raises:
        UnsupportedSourceError: it is not one of the forms above; the message says how to write it.

    >>> parse_source("hf://Qwen/Qwen3-8B@v1.0")
    ModelSource(scheme='hf', location='Qwen/Qwen3-8B', revision='v1.0')
    >>> parse_source("file:///models/sorter").location
    '/models/sorter'
    """
    scheme, separator, rest = source.partition("://")
    if not separator or scheme not in SCHEMES or not rest.strip("/"):
        raise UnsupportedSourceError(
            f'spec.model.source: "{source}" is not a model source; write hf://org/name, '
            "file:///path, pvc://claim/path, s3://bucket/prefix or oci://registry/image"
        )
    if scheme == "hf":
        return _hub(source, rest, revision or "")
    if scheme == "file":
        return ModelSource("file", _directory(source, rest))
    return ModelSource(cast("Scheme", scheme), rest.rstrip("/"), revision or "")


def _hub(source: str, rest: str, revision: str) -> ModelSource:
    """A repository of the Hub. A revision may stand in the source or beside it, not differently."""
    repository, at, inline = rest.rstrip("/").partition("@")
    if at and revision and inline != revision:
        raise UnsupportedSourceError(
            f'spec.model.source names revision "{inline}" and spec.model.revision "{revision}"; '
            "keep one of them"
        )
    wanted = inline or revision or HUB_DEFAULT_REVISION
    if not REPOSITORY.fullmatch(repository) or (at and not inline):
        raise UnsupportedSourceError(
            f'spec.model.source: "{source}" is not a repository; write hf://org/name or '
            "hf://org/name@revision"
        )
    if not REVISION.fullmatch(wanted) or ".." in wanted:
        raise UnsupportedSourceError(
            f'spec.model.revision: "{wanted}" is not a branch, tag or commit of {repository}'
        )
    return ModelSource("hf", repository, wanted)


def _directory(source: str, rest: str) -> str:
    """An absolute directory on the node, without steps upward."""
    path = unquote(rest.removeprefix("localhost"))
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise UnsupportedSourceError(
            f'spec.model.source: "{source}" is not an absolute directory; write file:///path, with '
            "three slashes and no .."
        )
    return "/" + path.strip("/")
