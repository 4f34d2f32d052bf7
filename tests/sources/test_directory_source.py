"""Reading a directory, sound and in every kind of trouble."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hub_server import safetensors

from tierwise_core.errors import SourceError, SourceNotFoundError, SourceUnreadableError
from tierwise_core.sizing import ModelMetadata, SizeOverrides
from tierwise_operator.sources import MetadataCache, read_metadata

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
    "torch_dtype": "bfloat16",
}
WEIGHTS = safetensors({"w": ("BF16", [100, 64])})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as unused:
        yield unused


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    return tmp_path


async def read(model: Path, client: httpx.AsyncClient, **kwargs: Any) -> ModelMetadata:
    return await read_metadata(f"file://{model}", client=client, **kwargs)


async def trouble(model: Path, client: httpx.AsyncClient) -> SourceError:
    with pytest.raises(SourceError) as raised:
        await read(model, client)
    return raised.value


async def test_a_model_in_one_file(model: Path, client: httpx.AsyncClient) -> None:
    found = await read(model, client)
    assert (found.weights_bytes, found.parameters, found.layers) == (12800, 6400, 3)
    assert found.kv_bytes_per_token == 2 * 3 * 2 * 32 * 2


async def test_an_index_says_which_files_count(model: Path, client: httpx.AsyncClient) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        (model / name).write_bytes(WEIGHTS)
    listed = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(listed))
    assert (await read(model, client)).weights_bytes == 2 * 12800


async def test_without_an_index_all_files_count_but_the_makers_copy(
    model: Path, client: httpx.AsyncClient
) -> None:
    (model / "model.safetensors").rename(model / "part.safetensors")
    (model / "consolidated.safetensors").write_bytes(WEIGHTS)
    assert (await read(model, client)).weights_bytes == 12800


async def test_a_snapshot_of_links_is_followed(
    model: Path, tmp_path_factory: pytest.TempPathFactory, client: httpx.AsyncClient
) -> None:
    snapshot = tmp_path_factory.mktemp("snapshot")
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).symlink_to(model / name)
    assert (await read(snapshot, client)).weights_bytes == 12800


async def test_what_did_not_change_is_read_once(model: Path, client: httpx.AsyncClient) -> None:
    cache = MetadataCache()
    first = await read(model, client, cache=cache)
    assert await read(model, client, cache=cache) == first
    assert len(cache) == 1


async def test_what_changed_is_read_again(model: Path, client: httpx.AsyncClient) -> None:
    cache = MetadataCache()
    await read(model, client, cache=cache)
    weights = model / "model.safetensors"
    weights.write_bytes(safetensors({"w": ("F16", [100, 64])}, padding=1))  # of the same size
    os.utime(weights, ns=(1, 1))
    again = await read(model, client, cache=cache)
    assert dict(again.parameters_by_dtype) == {"F16": 6400}


async def test_a_directory_that_is_not_there(tmp_path: Path, client: httpx.AsyncClient) -> None:
    error = await trouble(tmp_path / "none", client)
    assert isinstance(error, SourceNotFoundError)
    assert error.retryable
    assert "operator.modelRoots" in str(error)


async def test_a_file_instead_of_its_directory(model: Path, client: httpx.AsyncClient) -> None:
    error = await trouble(model / "model.safetensors", client)
    assert isinstance(error, SourceNotFoundError)
    assert "is a file; give the directory" in str(error)


async def test_a_directory_without_a_config(model: Path, client: httpx.AsyncClient) -> None:
    (model / "config.json").unlink()
    error = await trouble(model, client)
    assert isinstance(error, SourceNotFoundError)
    assert "has no config.json" in str(error)


async def test_a_shard_that_is_missing(model: Path, client: httpx.AsyncClient) -> None:
    listed = {"weight_map": {"x": "lost.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(listed))
    error = await trouble(model, client)
    assert isinstance(error, SourceNotFoundError)
    assert "lost.safetensors is listed in model.safetensors.index.json and not there" in str(error)


async def test_weights_that_are_no_safetensors(model: Path, client: httpx.AsyncClient) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "set spec.model.size.weights" in str(await trouble(model, client))
    found = await read(model, client, overrides=SizeOverrides(parameters=10))
    assert found.layers == 3


@pytest.mark.parametrize("content", [b"", b"short", WEIGHTS[:-1], b"\xff" * 100])
async def test_a_damaged_weight_file_is_named(
    model: Path, client: httpx.AsyncClient, content: bytes
) -> None:
    (model / "model.safetensors").write_bytes(content)
    error = await trouble(model, client)
    assert isinstance(error, SourceUnreadableError)
    assert str(model / "model.safetensors") in str(error)


async def test_a_pipe_is_not_waited_for(model: Path, client: httpx.AsyncClient) -> None:
    (model / "model.safetensors").unlink()
    os.mkfifo(model / "model.safetensors")
    assert "is not a regular file" in str(await trouble(model, client))


async def test_a_config_of_megabytes_is_not_read(model: Path, client: httpx.AsyncClient) -> None:
    (model / "config.json").write_bytes(b" " * (5 * 2**20))
    assert "at most 4194304 are read" in str(await trouble(model, client))


async def test_a_link_in_a_circle_is_told_by_the_system(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    (tmp_path / "config.json").symlink_to(tmp_path / "config.json")
    assert isinstance(await trouble(tmp_path, client), SourceError)


async def test_the_models_of_this_repository_are_read(client: httpx.AsyncClient) -> None:
    models = Path(__file__).parents[2] / "examples" / "models"
    for config in sorted(models.glob("*/config.json")):
        found = await read(config.parent, client)
        stored = (config.parent / "model.safetensors").stat().st_size
        assert 0 < stored - found.weights_bytes < 64 * 1024
        assert found.assumptions == ()
