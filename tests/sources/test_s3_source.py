"""Reading a model out of a bucket of a store that checks signatures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hub_server import safetensors
from loopback import Trouble
from s3_server import KEY_ID, SECRET, FakeS3, fake_s3

from tierwise_core.errors import (
    SourceError,
    SourceNotFoundError,
    SourceUnreadableError,
    UnauthorizedError,
)
from tierwise_core.sizing import ModelMetadata
from tierwise_operator.sources import Credentials, MetadataCache, read_metadata

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
    "torch_dtype": "bfloat16",
}
WEIGHTS = safetensors({"w": ("BF16", [5000, 64])})
KEYS = Credentials(
    aws={"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}, origin="Secret store"
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as unused:
        yield unused


@pytest.fixture
def store() -> Iterator[FakeS3]:
    with fake_s3() as running:
        running.objects["models"] = {
            "llama/v1/config.json": json.dumps(CONFIG).encode(),
            "llama/v1/model.safetensors": WEIGHTS,
            "llama/v1/tokenizer.json": b"{}",
            "llama/v1/notes/a b+c.txt": b"",
            "llama/v10/config.json": b"not this one",
        }
        yield running


async def read(store: FakeS3, client: httpx.AsyncClient, **kwargs: Any) -> ModelMetadata:
    given = {"credentials": KEYS, "s3_endpoint": store.endpoint, **kwargs}
    return await read_metadata("s3://models/llama/v1", client=client, **given)


async def trouble(store: FakeS3, client: httpx.AsyncClient, **kwargs: Any) -> SourceError:
    with pytest.raises(SourceError) as raised:
        await read(store, client, **kwargs)
    return raised.value


async def test_headers_are_read_and_weights_are_not(
    store: FakeS3, client: httpx.AsyncClient
) -> None:
    found = await read(store, client)
    assert (found.weights_bytes, found.layers) == (640_000, 3)
    assert store.bytes_written < 200_000
    assert store.ranges("model.safetensors") == ["bytes=0-131071"]


async def test_the_secret_names_the_store(store: FakeS3, client: httpx.AsyncClient) -> None:
    at = Credentials(
        aws={**KEYS.aws, "AWS_ENDPOINT_URL": store.endpoint}, origin="Secret store", is_secret=True
    )
    assert (await read(store, client, credentials=at, s3_endpoint=None)).layers == 3


async def test_the_secret_names_the_region(store: FakeS3, client: httpx.AsyncClient) -> None:
    store.region = "eu-central-1"
    assert isinstance(await trouble(store, client), UnauthorizedError)
    there = Credentials(
        aws={**KEYS.aws, "AWS_REGION": "eu-central-1"}, origin="Secret store", is_secret=True
    )
    assert (await read(store, client, credentials=there)).layers == 3


async def test_a_public_bucket_needs_no_keys(
    store: FakeS3, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    store.public.add("models")
    assert (await read(store, client, credentials=None)).layers == 3
    assert all("Authorization" not in headers for _, _, headers in store.requests)


async def test_what_did_not_change_is_only_listed(store: FakeS3, client: httpx.AsyncClient) -> None:
    cache = MetadataCache()
    first = await read(store, client, cache=cache)
    assert await read(store, client, cache=cache) == first
    assert store.asked("config.json") == 1


async def test_what_changed_is_read_again(store: FakeS3, client: httpx.AsyncClient) -> None:
    cache = MetadataCache()
    await read(store, client, cache=cache)
    changed = {**CONFIG, "num_hidden_layers": 4}
    store.objects["models"]["llama/v1/config.json"] = json.dumps(changed).encode()
    assert (await read(store, client, cache=cache)).layers == 4


async def test_no_keys_are_told_how_to_give_them(store: FakeS3, client: httpx.AsyncClient) -> None:
    error = await trouble(store, client, credentials=None)
    assert isinstance(error, UnauthorizedError)
    assert "set spec.model.secretRef to a Secret with AWS_ACCESS_KEY_ID" in str(error)


async def test_wrong_keys_are_not_printed(store: FakeS3, client: httpx.AsyncClient) -> None:
    wrong = Credentials(
        aws={"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": "wrong-secret"},
        origin="Secret store",
    )
    error = await trouble(store, client, credentials=wrong)
    assert isinstance(error, UnauthorizedError)
    assert "the keys in Secret store must be valid" in str(error)
    assert "wrong-secret" not in f"{error!r}{error}{error.__cause__!r}{wrong!r}"


async def test_half_a_secret_names_the_missing_key(
    store: FakeS3, client: httpx.AsyncClient
) -> None:
    half = Credentials(aws={"AWS_ACCESS_KEY_ID": KEY_ID}, origin="Secret store", is_secret=True)
    error = await trouble(store, client, credentials=half)
    assert "Secret store lacks AWS_SECRET_ACCESS_KEY" in str(error)
    assert not store.requests


@pytest.mark.parametrize("source", ["s3://models/lost", "s3://nowhere/llama"])
async def test_an_empty_prefix_and_a_bucket_that_is_not_there(
    store: FakeS3, client: httpx.AsyncClient, source: str
) -> None:
    with pytest.raises(SourceNotFoundError, match="check bucket and prefix"):
        await read_metadata(source, client=client, credentials=KEYS, s3_endpoint=store.endpoint)


async def test_a_store_that_is_down_is_tried_again_later(client: httpx.AsyncClient) -> None:
    with fake_s3() as gone:
        pass
    error = await trouble(gone, client, deadline_seconds=20)
    assert isinstance(error, SourceUnreadableError)
    assert error.retryable


async def test_a_moment_of_trouble_passes(store: FakeS3, client: httpx.AsyncClient) -> None:
    store.troubles["models"] = Trouble(status=503)
    assert (await read(store, client)).layers == 3
