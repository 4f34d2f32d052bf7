"""A model in a directory of this machine (``file://``). Blocking; runs in a thread."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tierwise_core.errors import SourceNotFoundError, SourceUnreadableError
from tierwise_core.safetensors_header import (
    LENGTH_BYTES,
    WeightTotals,
    header_bytes,
    read_header,
)
from tierwise_operator.sources.cache import MetadataCache
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

__all__ = ["read_directory", "told"]

DUPLICATES: Final = "consolidated"
"""Files of that name repeat the weights in their makers' own format; vLLM skips them too."""

PASSING: Final = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOMEM})


def read_directory(location: str, cache: MetadataCache) -> ModelFiles:
    """The files of the model in that directory.

    Raises:
        SourceNotFoundError: there is no such directory, or no config in it.
        SourceUnreadableError: a file cannot be read or makes no sense.
    """
    directory = Path(location)
    with told(directory):
        key = ("file", location, _fingerprint(directory))
        files = cache.get(key)
        if files is None:
            files = _read(directory)
            cache.put(key, files)
        return files


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the operating system says into our errors."""
    try:
        yield
    except PermissionError as error:
        raise SourceUnreadableError(
            f"{error.filename or path}: permission denied; make it readable for the operator"
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(f"{error.filename or path} does not exist") from error
    except OSError as error:
        raise SourceUnreadableError(
            f"{error.filename or path}: {error.strerror or error}", retryable=error.errno in PASSING
        ) from error


def _fingerprint(directory: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of all that is read."""
    if not directory.exists():
        raise SourceNotFoundError(
            f"spec.model.source: there is no directory {directory} here; put the model there on "
            "every node, and list its parent in the chart's operator.modelRoots"
        )
    if not directory.is_dir():
        raise SourceNotFoundError(
            f"spec.model.source: {directory} is a file; give the directory with {CONFIG}"
        )
    names = sorted(path.name for path in directory.iterdir() if _matters(path.name))
    stats = [(name, (directory / name).stat()) for name in names]
    return tuple((name, found.st_size, found.st_mtime_ns) for name, found in stats)


def _matters(name: str) -> bool:
    return name in {CONFIG, INDEX} or name.endswith(".safetensors")


def _read(directory: Path) -> ModelFiles:
    """Config and weight totals."""
    if not (directory / CONFIG).exists():
        raise SourceNotFoundError(
            f"spec.model.source: {directory} has no {CONFIG}; give the directory of a model as the "
            "Hub lays it out"
        )
    config = parse_object(_content(directory / CONFIG, MAX_CONFIG_BYTES), str(directory / CONFIG))
    shards = _shards(directory)
    totals = WeightTotals.total(_header(directory / name) for name in shards) if shards else None
    return ModelFiles(config, totals)


def _shards(directory: Path) -> tuple[str, ...]:
    """The weight files, as vLLM would choose them."""
    index = directory / INDEX
    if index.exists():
        return shard_names(parse_object(_content(index, MAX_INDEX_BYTES), str(index)), str(index))
    if (directory / WEIGHTS).exists():
        return (WEIGHTS,)
    found = sorted(path.name for path in directory.glob("*.safetensors"))
    return tuple(name for name in found if not name.startswith(DUPLICATES))


def _content(path: Path, limit: int) -> bytes:
    """All of a small file."""
    size = _size(path)
    if size > limit:
        raise SourceUnreadableError(f"{path} has {size} bytes; at most {limit} are read")
    return path.read_bytes()


def _header(path: Path) -> WeightTotals:
    """The totals of one weight file, from its first bytes."""
    size = _size(path)
    with path.open("rb") as file:
        length = header_bytes(file.read(LENGTH_BYTES), str(path), size)
        return read_header(file.read(length), str(path), size)


def _size(path: Path) -> int:
    """The size of a regular file; a pipe or a device would block."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} is listed in {INDEX} and not there") from error
    if not stat.S_ISREG(found.st_mode):
        raise SourceUnreadableError(f"{path} is not a regular file")
    return found.st_size
