"""What is read of a model wherever it lies, and the checks on it that need no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.errors import SourceUnreadableError
from tierwise_core.safetensors_header import WeightTotals

__all__ = [
    "CONFIG",
    "INDEX",
    "MAX_CONFIG_BYTES",
    "MAX_INDEX_BYTES",
    "WEIGHTS",
    "ModelFiles",
    "parse_object",
    "shard_names",
]

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
WEIGHTS: Final = "model.safetensors"

MAX_CONFIG_BYTES: Final = 4 * 2**20
MAX_INDEX_BYTES: Final = 64 * 2**20
MAX_SHARDS: Final = 4096
SHARD: Final = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*\.safetensors")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's config and the totals of its weight files.

    ``totals`` is ``None`` if it has no safetensors files that could be looked into, which overrides
    can make up for; ``note`` says why where that needs saying.
    """

    config: Mapping[str, Any]
    totals: WeightTotals | None
    note: str = ""


def parse_object(body: bytes, file: str) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        SourceUnreadableError: it is something else.
    """
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadableError(f"{file} is not JSON ({error}); upload it again") from error
    if not isinstance(parsed, dict):
        raise SourceUnreadableError(f"{file} is not a JSON object; upload it again")
    return parsed


def shard_names(index: Mapping[str, Any], file: str) -> tuple[str, ...]:
    """The weight files that an index lists, each once.

    Raises:
        SourceUnreadableError: it lists none, or a name that is no file beside it.

    >>> shard_names({"weight_map": {"a": "x.safetensors", "b": "x.safetensors"}}, "index")
    ('x.safetensors',)
    """
    weight_map = index.get("weight_map")
    values = weight_map.values() if isinstance(weight_map, Mapping) else ()
    names = sorted({str(name) for name in values})
    strange = [name for name in names if not SHARD.fullmatch(name)]
    if strange or not 0 < len(names) <= MAX_SHARDS:
        raise SourceUnreadableError(
            f"{file}: weight_map must list 1 to {MAX_SHARDS} safetensors files beside it, not "
            f"{strange[0] if strange else len(names)!r}; upload it again"
        )
    return tuple(names)
