"""Reading an adapter's own files: in a directory, and on a server that answers like the Hub."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tierwise_core.errors import (
    InvalidAdapterError,
    SourceNotFoundError,
    SourceUnreadableError,
    UnsupportedSourceError,
)
from tierwise_core.lora import AdapterFacts
from tierwise_core.remote_files import RemoteFile, RemoteTree
from tierwise_operator.adapter_sources import AdapterAsked, adapter_facts, adapter_reader

CONFIG = {"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"], "base_model_name_or_path": "s"}
QUERY = "base_model.model.model.layers.0.self_attn.q_proj"
SHAPES = {f"{QUERY}.lora_A.weight": [8, 64], f"{QUERY}.lora_B.weight": [96, 8]}


def safetensors(shapes: dict[str, list[int]]) -> bytes:
    header, offset = dict[str, Any](), 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * shape[1]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    body = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(body)) + body + bytes(offset)


def an_adapter(config: Any = CONFIG, weights: bytes | None = None) -> dict[str, bytes]:
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": safetensors(SHAPES) if weights is None else weights,
    }


def directory(path: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (path / name).write_bytes(content)
    return f"file://{path}"


@dataclass
class Shelf:
    """An origin with files in memory."""

    files: dict[str, bytes]

    async def tree(self) -> RemoteTree:
        listed = (RemoteFile(path, len(body), path) for path, body in self.files.items())
        return RemoteTree("1", tuple(listed))

    async def chunks(self, file: RemoteFile, start: int, stop: int | None) -> AsyncIterator[bytes]:
        yield self.files[file.path][start:stop]


async def read(source: str) -> AdapterFacts:
    return await adapter_reader()(AdapterAsked(source))


async def test_a_directory_tells_rank_modules_base_and_widths(tmp_path: Path) -> None:
    facts = await read(directory(tmp_path, an_adapter()))
    assert (facts.rank, facts.target_modules, facts.base_model) == (8, ("q_proj",), "s")
    assert facts.widths == (("q_proj", 64, 96),)


async def test_files_below_a_folder_of_a_repository_are_found() -> None:
    files = {f"out/{name}": body for name, body in an_adapter().items()} | {"README.md": b"hello"}
    facts = await adapter_facts("hf://acme/lora", lambda _: Shelf(files))
    assert facts.rank == 8


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
async def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    files = an_adapter()
    del files[name]
    with pytest.raises(SourceNotFoundError, match=f"has no {name}; give the directory"):
        await read(directory(tmp_path, files))


async def test_a_missing_directory_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"operator\.modelRoots") as caught:
        await read(f"file://{tmp_path}/none")
    assert caught.value.retryable


@pytest.mark.parametrize(
    "files",
    [
        {"adapter_config.json": b"{", "adapter_model.safetensors": safetensors(SHAPES)},
        an_adapter(weights=safetensors(SHAPES)[:-3]),
        an_adapter(weights=b""),
        an_adapter(weights=struct.pack("<Q", 2**60)),
    ],
    ids=["config cut", "weights cut", "weights empty", "header too long"],
)
async def test_damaged_files_are_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(SourceUnreadableError):
        await read(directory(tmp_path, files))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({**CONFIG, "peft_type": "IA3"}, "IA3"),
        ({**CONFIG, "use_dora": True}, "DoRA"),
        ({**CONFIG, "r": 0}, "r is 0"),
        ({"peft_type": "LORA"}, "r is None"),
    ],
)
async def test_what_is_no_plain_lora_is_refused(tmp_path: Path, config: Any, words: str) -> None:
    with pytest.raises(InvalidAdapterError, match=words):
        await read(directory(tmp_path, an_adapter(config)))


async def test_a_claim_is_read_by_pods_alone() -> None:
    with pytest.raises(UnsupportedSourceError, match="pods alone"):
        await read("pvc://claim/a")


async def test_without_the_network_a_repository_is_not_read() -> None:
    with pytest.raises(UnsupportedSourceError):
        await read("hf://acme/lora")
