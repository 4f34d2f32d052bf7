"""The header of a safetensors file: names, dtypes, shapes and offsets of its tensors.

The file is ``8 bytes N, little-endian`` + ``N bytes of JSON`` + the tensors' bytes. The header
alone, a few hundred kilobytes of a file of gigabytes, says how large the model is; the tensors are
never read.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from tierwise_core.errors import SourceUnreadableError

__all__ = ["LENGTH_BYTES", "MAX_HEADER_BYTES", "WeightTotals", "header_bytes", "read_header"]

LENGTH_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 100_000_000
"""The limit of the format's own reader."""

BITS: Final = {
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}

# Tensors that describe weights and are none: scales, zero points, permutations, lookup tables.
AUXILIARY: Final = (
    ".qzeros",
    ".scales",
    ".g_idx",
    ".weight_scale",
    ".weight_scale_2",
    ".weight_scale_inv",
    ".weight_zero_point",
    ".weight_shape",
    ".input_scale",
    ".k_scale",
    ".v_scale",
    ".absmax",
    ".nested_absmax",
    ".quant_map",
    ".nested_quant_map",
    ".bitsandbytes__nf4",
    ".bitsandbytes__fp4",
    ".SCB",
    "_scales",
    ".inv_freq",
)


@dataclass(frozen=True, slots=True)
class WeightTotals:
    """What the headers of all files of a model add up to.

    Attributes:
        weights_bytes: the bytes of all tensors.
        elements_by_dtype: the elements of those that are weights, by stored dtype.
    """

    weights_bytes: int = 0
    elements_by_dtype: Mapping[str, int] = field(default_factory=dict)

    @property
    def elements(self) -> int:
        """The elements of all weights, packed ones as they are stored."""
        return sum(self.elements_by_dtype.values())

    @classmethod
    def total(cls, parts: Iterable[WeightTotals]) -> WeightTotals:
        """The sum over several files."""
        elements: Counter[str] = Counter()
        weights_bytes = 0
        for part in parts:
            weights_bytes += part.weights_bytes
            elements.update(part.elements_by_dtype)
        return cls(weights_bytes, MappingProxyType(dict(elements)))


def header_bytes(prefix: bytes, file: str, file_bytes: int | None) -> int:
    """The length of the JSON header, from the first eight bytes of the file.

    Raises:
        SourceUnreadableError: the file is too short, or the length cannot be one.

    >>> header_bytes((120).to_bytes(8, "little"), "model.safetensors", 4096)
    120
    """
    if len(prefix) < LENGTH_BYTES:
        raise SourceUnreadableError(
            f"{file} has {len(prefix)} bytes, too few for a safetensors file; upload it again"
        )
    length = int.from_bytes(prefix[:LENGTH_BYTES], "little")
    limit = min(MAX_HEADER_BYTES, MAX_HEADER_BYTES if file_bytes is None else file_bytes)
    if not 0 < length <= limit - LENGTH_BYTES:
        raise SourceUnreadableError(
            f"{file} announces a header of {length} bytes, at most {limit - LENGTH_BYTES} are "
            "possible: it is no safetensors file or is truncated; upload it again"
        )
    return length


def read_header(header: bytes, file: str, file_bytes: int | None) -> WeightTotals:
    """The totals of one file.

    Args:
        header: the JSON, without the eight bytes before it.
        file: its name, for messages.
        file_bytes: its whole size, which the offsets must add up to; ``None`` if not known.

    Raises:
        SourceUnreadableError: the header is not what the format says, or the file is truncated.

    >>> header = b'{"w": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}'
    >>> totals = read_header(header, "model.safetensors", 8 + len(header) + 12)
    >>> totals.weights_bytes, totals.elements
    (12, 6)
    """
    try:
        parsed = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadableError(
            f"{file}: its header is not JSON; upload the file again"
        ) from error
    if not isinstance(parsed, dict):
        raise SourceUnreadableError(f"{file}: its header is not a JSON object; upload it again")
    tensors = {name: entry for name, entry in parsed.items() if name != "__metadata__"}
    spans = [_span(name, entry, file) for name, entry in tensors.items()]
    data_bytes = _check_layout(spans, file)
    _check_size(data_bytes, file, file_bytes, len(header))
    elements: Counter[str] = Counter()
    for name, entry in tensors.items():
        if not name.endswith(AUXILIARY):
            elements[entry["dtype"]] += math.prod(entry["shape"])
    return WeightTotals(data_bytes, MappingProxyType(dict(elements)))


def _span(name: str, entry: Any, file: str) -> tuple[int, int]:
    """Where a tensor begins and ends, once dtype, shape and offsets agree."""
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            counts = all(isinstance(size, int) and size >= 0 for size in shape)
            bits = BITS.get(dtype)
            agree = bits is None or (counts and math.prod(shape) * bits == (end - begin) * 8)
            if counts and agree and 0 <= begin <= end:
                return begin, end
    raise SourceUnreadableError(
        f"{file}: tensor {name!r} has dtype, shape and offsets that do not agree; upload it again"
    )


def _check_layout(spans: list[tuple[int, int]], file: str) -> int:
    """The bytes of all tensors, which must lie side by side."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise SourceUnreadableError(
                f"{file}: tensors overlap or leave a gap at byte {position}; upload it again"
            )
        position = end
    return position


def _check_size(data_bytes: int, file: str, file_bytes: int | None, header: int) -> None:
    """The tensors must fill the rest of the file."""
    if file_bytes is None:
        return
    held = file_bytes - LENGTH_BYTES - header
    if data_bytes != held:
        raise SourceUnreadableError(
            f"{file}: its header tells of {data_bytes} bytes of tensors, the file holds {held}: it "
            "is truncated or damaged; upload it again"
        )
