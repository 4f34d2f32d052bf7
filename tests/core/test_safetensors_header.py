"""Headers of weight files, sound and damaged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tierwise_core.errors import SourceUnreadableError
from tierwise_core.safetensors_header import WeightTotals, header_bytes, read_header


def header(tensors: dict[str, Any]) -> bytes:
    return json.dumps(tensors).encode()


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def read(tensors: dict[str, Any], data_bytes: int | None) -> WeightTotals:
    raw = header(tensors)
    return read_header(raw, "m.safetensors", data_bytes and 8 + len(raw) + data_bytes)


def test_bytes_and_elements_add_up_over_dtypes() -> None:
    totals = read(
        {
            "__metadata__": {"format": "pt"},
            "a": tensor("BF16", [4, 5], 0, 40),
            "b": tensor("F32", [3], 40, 52),
            "c": tensor("F4", [8], 52, 56),
        },
        56,
    )
    assert totals.weights_bytes == 56
    assert dict(totals.elements_by_dtype) == {"BF16": 20, "F32": 3, "F4": 8}


def test_a_scalar_and_an_empty_tensor_are_tensors() -> None:
    totals = read({"s": tensor("F32", [], 0, 4), "e": tensor("F16", [0, 7], 4, 4)}, 4)
    assert (totals.weights_bytes, totals.elements) == (4, 1)


def test_scales_take_bytes_and_are_no_weights() -> None:
    totals = read(
        {"w.qweight": tensor("I32", [2], 0, 8), "w.scales": tensor("F16", [4], 8, 16)}, 16
    )
    assert (totals.weights_bytes, totals.elements) == (16, 2)


def test_a_dtype_of_the_future_counts_by_its_offsets() -> None:
    assert read({"w": tensor("F2", [16], 0, 4)}, 4).weights_bytes == 4


def test_files_add_up() -> None:
    part = WeightTotals(10, {"BF16": 5})
    total = WeightTotals.total([part, part, WeightTotals(4, {"F32": 1})])
    assert total.weights_bytes == 24
    assert dict(total.elements_by_dtype) == {"BF16": 10, "F32": 1}


def test_a_size_that_the_server_does_not_tell_is_not_checked() -> None:
    assert read({"w": tensor("BF16", [2], 0, 4)}, None).weights_bytes == 4


@pytest.mark.parametrize(
    ("tensors", "data_bytes", "said"),
    [
        ({"w": tensor("BF16", [2], 0, 4)}, 3, "tells of 4 bytes of tensors, the file holds 3"),
        ({"w": tensor("BF16", [2], 0, 4)}, 9, "tells of 4 bytes of tensors, the file holds 9"),
        ({"w": tensor("BF16", [3], 0, 4)}, 4, "do not agree"),
        ({"w": tensor("BF16", [-2], 4, 0)}, 4, "do not agree"),
        ({"w": tensor("BF16", [2], -4, 0)}, 4, "do not agree"),
        ({"w": {"dtype": "BF16", "shape": [2]}}, 4, "do not agree"),
        ({"w": 1}, 4, "do not agree"),
        ({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 6, 10)}, 10, "leave a gap"),
        ({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, 6, "overlap"),
    ],
)
def test_a_damaged_header_is_refused_by_the_file_s_name(
    tensors: dict[str, Any], data_bytes: int, said: str
) -> None:
    with pytest.raises(SourceUnreadableError) as refused:
        read(tensors, data_bytes)
    assert str(refused.value).startswith("m.safetensors")
    assert said in str(refused.value)
    assert not refused.value.retryable


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[1]", b"null", b"[" * 100_000])
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(SourceUnreadableError, match=r"m\.safetensors: its header is not"):
        read_header(raw, "m.safetensors", 8 + len(raw))


@pytest.mark.parametrize(
    ("prefix", "file_bytes"),
    [
        (b"", 0),
        (b"\x01", 1),
        ((0).to_bytes(8, "little"), 100),
        ((93).to_bytes(8, "little"), 100),
        ((2**63).to_bytes(8, "little"), 100),
        ((100_000_000).to_bytes(8, "little"), None),
        (b"<!DOCTYP", 1000),
    ],
)
def test_a_length_that_cannot_be_one_is_refused(prefix: bytes, file_bytes: int | None) -> None:
    with pytest.raises(SourceUnreadableError, match=r"m\.safetensors"):
        header_bytes(prefix, "m.safetensors", file_bytes)


def test_the_longest_possible_header_is_read() -> None:
    assert header_bytes((92).to_bytes(8, "little"), "m.safetensors", 100) == 92
