"""What a Job tells of a model in a claim: one small document that fits a termination message.

The API server keeps 4,096 bytes of a container's last words. A config compresses to a fraction of
that; where it does not, its longest lists and tables go (they name layers and labels, and say
nothing of sizes) until it does.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tierwise_core.errors import SourceUnreadableError
from tierwise_core.safetensors_header import WeightTotals
from tierwise_operator.sources.model_files import ModelFiles

__all__ = ["packed", "unpacked"]

MAX_BYTES: Final = 4000
LEAST_LENGTHS: Final = (10**9, 1024, 256, 64, 16)
MAX_UNPACKED: Final = 8 * 2**20


def packed(files: ModelFiles) -> str:
    """The document as text.

    Raises:
        SourceUnreadableError: the config is too large even without its long lists.
    """
    for longest in LEAST_LENGTHS:
        document = {"config": _without(files.config, longest), "totals": _totals(files.totals)}
        body = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
        text = base64.b85encode(body).decode()
        if len(text) <= MAX_BYTES:
            return text
    raise SourceUnreadableError(
        "config.json is too large to be told by a Job; set spec.model.size and spec.model."
        "maxModelLen by hand"
    )


def _without(value: Any, longest: int) -> Any:
    """The value without lists and tables of more entries than that."""
    if isinstance(value, Mapping):
        return {
            key: _without(inner, longest)
            for key, inner in value.items()
            if not (isinstance(inner, list | Mapping) and len(inner) > longest)
        }
    return [_without(inner, longest) for inner in value] if isinstance(value, list) else value


def _totals(totals: WeightTotals | None) -> Any:
    if totals is None:
        return None
    return {"weights_bytes": totals.weights_bytes, "elements": dict(totals.elements_by_dtype)}


def unpacked(text: str) -> ModelFiles:
    """The files that a document tells of.

    Raises:
        SourceUnreadableError: it is none.
    """
    try:
        body = zlib.decompressobj().decompress(base64.b85decode(text.strip()), MAX_UNPACKED)
        document = json.loads(body)
        return ModelFiles(document["config"], _read_totals(document["totals"]))
    except (ValueError, KeyError, TypeError, zlib.error, binascii.Error) as error:
        raise SourceUnreadableError(
            f"spec.model.source: the Job that reads the claim said {text[:80]!r}, which is no "
            "description of a model; is weights.image of this version?"
        ) from error


def _read_totals(found: Any) -> WeightTotals | None:
    if found is None:
        return None
    return WeightTotals(int(found["weights_bytes"]), MappingProxyType(dict(found["elements"])))
