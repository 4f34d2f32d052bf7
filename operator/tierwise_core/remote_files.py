"""A model's files at their source: what an engine needs of them, and where its directory is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

__all__ = [
    "Packing",
    "RemoteFile",
    "RemoteTree",
    "model_root",
    "promised_hash",
    "useful_files",
]

Packing = Literal["file", "tar", "tar+gzip"]

ALGORITHMS: Final = frozenset({"sha256", "git-sha1", "md5"})

# The same weights in the formats of other frameworks; an engine reads one of them.
OTHER_FORMATS: Final = (
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".msgpack",
    ".onnx",
    ".onnx_data",
    ".gguf",
    ".tflite",
    ".ot",
)
NEVER_NEEDED: Final = (".gitattributes", ".gitignore", ".DS_Store")
DUPLICATE_PREFIX: Final = "consolidated"
ROOT_MARKERS: Final = ("config.json", "adapter_config.json")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One thing to download: a file, or an archive of files.

    Attributes:
        path: where the file goes below the model's directory; a name for messages for an archive.
        size_bytes: the length of the download.
        identity: says whether two downloads are the same. ``sha256:HEX``, ``git-sha1:HEX`` and
            ``md5:HEX`` are also hashes to check the content by.
        packing: whether it is the file itself or must be unpacked.
    """

    path: str
    size_bytes: int
    identity: str
    packing: Packing = "file"

    @property
    def name(self) -> tuple[str, str]:
        """What tells it from every other file of its tree: a content may be listed twice."""
        return self.identity, self.path


@dataclass(frozen=True, slots=True)
class RemoteTree:
    """A model at a resolved revision: what its source has now."""

    revision: str
    files: tuple[RemoteFile, ...]

    @property
    def download_bytes(self) -> int:
        """All of it."""
        return sum(file.size_bytes for file in self.files)


def useful_files(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """The files an engine needs, by path: no second copy of the weights in another format.

    Archives are kept: what is in them is not known before they are here.

    >>> names = ("model.safetensors", "pytorch_model.bin", "config.json", ".gitattributes")
    >>> [f.path for f in useful_files(RemoteFile(name, 1, name) for name in names)]
    ['config.json', 'model.safetensors']
    """
    listed = sorted(files, key=lambda file: file.path)
    single = [file for file in listed if file.packing == "file"]
    has_tensors = any(_is_weights(file.path) for file in single)
    return tuple(
        file
        for file in listed
        if file.packing != "file" or not (_is_ballast(file.path) or (has_tensors and _copy(file)))
    )


def _is_weights(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".safetensors") and not name.startswith(DUPLICATE_PREFIX)


def _is_ballast(path: str) -> bool:
    return PurePosixPath(path).name in NEVER_NEEDED


def _copy(file: RemoteFile) -> bool:
    name = PurePosixPath(file.path).name
    return name.endswith(OTHER_FORMATS) or name.startswith(DUPLICATE_PREFIX)


def model_root(paths: Collection[str]) -> str:
    """The directory of the model among those files: the one nearest the top with a config.

    An image may hold ``/models/sorter/config.json``; an adapter has its own kind of config.

    >>> model_root(["models/sorter/config.json", "models/sorter/model.safetensors", "etc/passwd"])
    'models/sorter'
    >>> model_root(["config.json"]), model_root(["notes.txt"])
    ('', '')
    """
    roots = [PurePosixPath(path).parent for path in paths if path.endswith(ROOT_MARKERS)]
    named = [str(root) for root in roots if _has_marker(paths, root)]
    best = min(named, key=lambda root: (root.count("/") if root != "." else -1, root), default=".")
    return "" if best == "." else best


def _has_marker(paths: Collection[str], root: PurePosixPath) -> bool:
    return any(str(root / marker) in paths for marker in ROOT_MARKERS)


def promised_hash(identity: str) -> tuple[str, str] | None:
    """The algorithm and the hash that an identity promises, if it is one.

    >>> promised_hash("sha256:ab12")
    ('sha256', 'ab12')
    >>> promised_hash("etag:9f-3") is None
    True
    """
    algorithm, _, value = identity.partition(":")
    return (algorithm, value) if algorithm in ALGORITHMS and value else None
