"""Reading a repository of a Hub on the loopback, sound and in every kind of trouble."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hub_server import COMMIT, FakeHub, Fault, fake_hub, safetensors

from tierwise_core.errors import (
    SourceError,
    SourceNotFoundError,
    SourceUnreadableError,
    UnknownArchitectureError,
    UnsupportedSourceError,
)
from tierwise_core.sizing import ModelMetadata, SizeOverrides
from tierwise_operator.sources import Credentials, MetadataCache, read_metadata

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
    "vocab_size": 100,
    "torch_dtype": "bfloat16",
}
KV_BYTES_PER_TOKEN = 2 * 3 * 2 * 32 * 2
ONE = safetensors({"embed": ("BF16", [100, 64]), "norm": ("F32", [64])})
TWO = safetensors({"down": ("BF16", [64, 64])})
REPO = "org/sorter"
MEGABYTE = 2**20


def index(*shards: str) -> bytes:
    return json.dumps({"weight_map": {f"w{i}": name for i, name in enumerate(shards)}}).encode()


def single(content: bytes = ONE, config: Any = None) -> dict[str, bytes]:
    body = json.dumps(CONFIG if config is None else config).encode()
    return {"config.json": body, "model.safetensors": content}


def sharded() -> dict[str, bytes]:
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors.index.json": index(*names, names[0]),
        names[0]: ONE,
        names[1]: TWO,
    }


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as running:
        running.files[REPO] = single()
        yield running


@pytest.fixture
def hub_with_cdn() -> Iterator[FakeHub]:
    with fake_hub(with_cdn=True) as running:
        running.files[REPO] = single()
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as running:
        yield running


async def read(
    hub: FakeHub, client: httpx.AsyncClient, source: str = f"hf://{REPO}", **kwargs: Any
) -> ModelMetadata:
    return await read_metadata(source, client=client, endpoint=hub.endpoint, **kwargs)


async def trouble(hub: FakeHub, client: httpx.AsyncClient, **kwargs: Any) -> SourceError:
    with pytest.raises(SourceError) as raised:
        await read(hub, client, **kwargs)
    return raised.value


async def test_a_model_in_one_file(hub: FakeHub, client: httpx.AsyncClient) -> None:
    found = await read(hub, client)
    assert found.weights_bytes == 100 * 64 * 2 + 64 * 4
    assert found.parameters == 100 * 64 + 64
    assert dict(found.parameters_by_dtype) == {"BF16": 6400, "F32": 64}
    assert found.kv_bytes_per_token == KV_BYTES_PER_TOKEN


async def test_a_model_in_shards_counts_each_once(hub: FakeHub, client: httpx.AsyncClient) -> None:
    hub.files[REPO] = sharded()
    found = await read(hub, client)
    assert found.weights_bytes == 100 * 64 * 2 + 64 * 4 + 64 * 64 * 2
    assert sorted(hub.asked())[-2:] == sorted(set(hub.asked()))[-2:]


async def test_the_weights_are_never_read(hub: FakeHub, client: httpx.AsyncClient) -> None:
    hub.files[REPO] = single(safetensors({"w": ("BF16", [16 * MEGABYTE])}))
    found = await read(hub, client)
    assert found.weights_bytes == 32 * MEGABYTE
    assert hub.bytes_written < MEGABYTE


async def test_a_header_longer_than_the_first_request_takes_a_second(
    hub: FakeHub, client: httpx.AsyncClient
) -> None:
    hub.files[REPO] = single(safetensors({"w": ("BF16", [8])}, padding=MEGABYTE))
    assert (await read(hub, client)).weights_bytes == 16
    assert hub.asked().count("model.safetensors") == 2


async def test_a_server_that_ignores_ranges_is_left_when_enough_was_read(
    hub: FakeHub, client: httpx.AsyncClient
) -> None:
    hub.files[REPO] = single(safetensors({"w": ("BF16", [64 * MEGABYTE])}))
    hub.faults["model.safetensors"] = Fault(ignores_range=True)
    assert (await read(hub, client)).weights_bytes == 128 * MEGABYTE
    assert hub.bytes_written < 48 * MEGABYTE  # what the sockets buffered, not the file


async def test_a_server_that_keeps_the_size_secret_is_believed(
    hub: FakeHub, client: httpx.AsyncClient
) -> None:
    hub.faults["model.safetensors"] = Fault(keeps_size_secret=True)
    assert (await read(hub, client)).weights_bytes == 100 * 64 * 2 + 64 * 4


async def test_a_redirect_keeps_the_range_and_drops_the_token(
    hub_with_cdn: FakeHub, client: httpx.AsyncClient
) -> None:
    hub_with_cdn.gated[REPO] = "secret"
    await read(hub_with_cdn, client, token="secret")
    (_, at_cdn), (_, at_hub) = hub_with_cdn.cdn_requests[0], hub_with_cdn.requests[-1]
    assert at_hub["Authorization"] == "Bearer secret"
    assert at_cdn["Range"] == at_hub["Range"] == "bytes=0-131071"
    assert "Authorization" not in at_cdn


async def test_everything_after_the_config_is_asked_at_its_commit(
    hub: FakeHub, client: httpx.AsyncClient
) -> None:
    await read(hub, client)
    paths = [path for path, _ in hub.requests]
    assert paths[0] == f"/{REPO}/resolve/main/config.json"
    assert all(f"/resolve/{COMMIT}/" in path for path in paths[1:])


async def test_a_revision_with_slashes_is_one_part_of_the_path(
    hub: FakeHub, client: httpx.AsyncClient
) -> None:
    hub.revisions["refs/pr/1"] = COMMIT
    await read(hub, client, f"hf://{REPO}@refs/pr/1")
    assert hub.requests[0][0] == f"/{REPO}/resolve/refs%2Fpr%2F1/config.json"


class TestCache:
    async def test_a_known_commit_costs_one_small_request(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        cache = MetadataCache()
        first = await read(hub, client, cache=cache)
        hub.requests.clear()
        assert await read(hub, client, cache=cache) == first
        assert hub.asked() == ["config.json"]

    async def test_a_revision_that_is_a_known_commit_costs_none(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        cache = MetadataCache()
        await read(hub, client, cache=cache)
        hub.requests.clear()
        await read(hub, client, revision=COMMIT, cache=cache)
        assert hub.requests == []

    async def test_a_branch_that_moved_is_read_anew(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        cache = MetadataCache()
        before = await read(hub, client, cache=cache)
        hub.revisions["main"] = COMMIT.replace("1", "2")
        hub.files[REPO] = single(TWO)
        after = await read(hub, client, cache=cache)
        assert before.weights_bytes != after.weights_bytes == 64 * 64 * 2

    async def test_a_mirror_that_names_no_commit_is_read_every_time(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.names_commits = False
        cache = MetadataCache()
        await read(hub, client, cache=cache)
        assert len(cache) == 0
        assert "/resolve/main/model.safetensors" in hub.requests[-1][0]

    async def test_a_failure_is_not_kept(self, hub: FakeHub, client: httpx.AsyncClient) -> None:
        cache = MetadataCache()
        hub.faults["model.safetensors"] = Fault(503, times=1)
        assert (await trouble(hub, client, cache=cache)).retryable
        assert (await read(hub, client, cache=cache)).weights_bytes > 0


class TestRefusals:
    async def test_a_repository_that_does_not_exist(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        error = await trouble(hub, client, source="hf://org/typo")
        assert isinstance(error, SourceNotFoundError)
        assert "hf://org/typo does not exist" in str(error)
        assert "or is private and needs a token" in str(error)

    async def test_a_revision_that_does_not_exist(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        error = await trouble(hub, client, revision="v9")
        assert isinstance(error, SourceNotFoundError)
        assert 'spec.model.revision: hf://org/sorter has no branch, tag or commit "v9"' in str(
            error
        )

    async def test_a_repository_without_a_config(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.files[REPO] = {"model.safetensors": ONE}
        error = await trouble(hub, client)
        assert isinstance(error, SourceNotFoundError)
        assert "config.json does not exist" in str(error)

    async def test_a_gated_repository_asks_for_a_token(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.gated[REPO] = "secret"
        error = await trouble(hub, client)
        assert isinstance(error, SourceUnreadableError)
        assert not error.retryable
        assert "give a token" in str(error)
        assert (await read(hub, client, token="secret")).layers == 3

    async def test_a_wrong_token_is_no_better_and_not_repeated(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.gated[REPO] = "secret"
        assert "guess" not in str(await trouble(hub, client, token="guess"))

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
    async def test_an_outage_is_worth_a_retry(
        self, hub: FakeHub, client: httpx.AsyncClient, status: int
    ) -> None:
        hub.faults["config.json"] = Fault(status)
        error = await trouble(hub, client)
        assert isinstance(error, SourceUnreadableError)
        assert error.retryable
        assert str(status) in str(error)

    async def test_a_refusal_of_our_request_is_not(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.faults["config.json"] = Fault(400)
        assert not (await trouble(hub, client)).retryable

    async def test_a_shard_that_is_missing(self, hub: FakeHub, client: httpx.AsyncClient) -> None:
        hub.files[REPO] = sharded()
        del hub.files[REPO]["model-00002-of-00002.safetensors"]
        error = await trouble(hub, client)
        assert isinstance(error, SourceNotFoundError)
        assert "model-00002-of-00002.safetensors does not exist" in str(error)


class TestSilence:
    async def test_a_server_that_does_not_answer_is_given_up(self, hub: FakeHub) -> None:
        hub.faults["config.json"] = Fault(silent=True)
        async with httpx.AsyncClient(timeout=httpx.Timeout(60, read=0.1)) as client:
            error = await trouble(hub, client)
        assert isinstance(error, SourceUnreadableError)
        assert error.retryable
        assert "did not answer (ReadTimeout" in str(error)

    async def test_the_whole_reading_has_a_deadline(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.files[REPO] = sharded()
        hub.faults["model-00002-of-00002.safetensors"] = Fault(silent=True)
        error = await trouble(hub, client, deadline_seconds=0.2)
        assert error.retryable
        assert "took over" in str(error)

    async def test_a_server_that_is_not_there(self, client: httpx.AsyncClient) -> None:
        with fake_hub() as gone:
            endpoint = gone.endpoint
        error = await trouble(FakeHub(endpoint=endpoint), client)
        assert error.retryable
        assert "ConnectError" in str(error)

    async def test_an_endpoint_that_is_no_address(self, client: httpx.AsyncClient) -> None:
        error = await trouble(FakeHub(endpoint="hub.example"), client)
        assert not error.retryable
        assert "HF_ENDPOINT: hub.example is not an address" in str(error)


class TestDamage:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "too few"),
            (b"abc", "too few"),
            ((2**62).to_bytes(8, "little") + b"{}", "announces a header"),
            (b"<!DOCTYPE html><html>", "announces a header"),
            ((4).to_bytes(8, "little") + b"\xff\xff\xff\xff", "is not JSON"),
            (ONE[:-1], "is truncated"),
            (ONE + b"\0", "truncated or damaged"),
        ],
    )
    async def test_a_damaged_weight_file_is_named(
        self, hub: FakeHub, client: httpx.AsyncClient, content: bytes, said: str
    ) -> None:
        hub.files[REPO] = single(content)
        error = await trouble(hub, client)
        assert isinstance(error, SourceUnreadableError)
        assert not error.retryable
        assert "model.safetensors" in str(error)
        assert said in str(error)

    @pytest.mark.parametrize("config", [b"", b"{", b"[]", b"\xff", b"<html>"])
    async def test_a_damaged_config_is_named(
        self, hub: FakeHub, client: httpx.AsyncClient, config: bytes
    ) -> None:
        hub.files[REPO]["config.json"] = config
        assert "config.json is not" in str(await trouble(hub, client))

    async def test_a_config_of_megabytes_is_not_read_to_its_end(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.files[REPO]["config.json"] = b" " * (64 * MEGABYTE)
        assert "has over 4194304 bytes" in str(await trouble(hub, client))
        assert hub.bytes_written < 32 * MEGABYTE

    @pytest.mark.parametrize("name", ["../../etc/passwd", "/x.safetensors", "a/../b.safetensors"])
    async def test_an_index_cannot_point_elsewhere(
        self, hub: FakeHub, client: httpx.AsyncClient, name: str
    ) -> None:
        hub.files[REPO] = sharded() | {"model.safetensors.index.json": index(name)}
        error = await trouble(hub, client)
        assert name in str(error)
        assert "weight_map" in str(error)


class TestOverrides:
    async def test_a_model_without_safetensors_needs_its_weights_said(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.files[REPO] = {"config.json": json.dumps(CONFIG).encode(), "pytorch_model.bin": b"x"}
        assert "set spec.model.size.weights" in str(await trouble(hub, client))
        found = await read(hub, client, overrides=SizeOverrides(weights_bytes=1))
        assert found.kv_bytes_per_token == KV_BYTES_PER_TOKEN

    async def test_an_architecture_nobody_knows_needs_its_cache_said(
        self, hub: FakeHub, client: httpx.AsyncClient
    ) -> None:
        hub.files[REPO] = single(config={"model_type": "mamba", "state_size": 16})
        with pytest.raises(UnknownArchitectureError, match=r"spec\.model\.size\.kvBytesPerToken"):
            await read(hub, client)
        found = await read(hub, client, overrides=SizeOverrides(kv_bytes_per_token=7))
        assert (found.kv_bytes_per_token, found.weights_bytes) == (7, 100 * 64 * 2 + 64 * 4)


async def test_a_source_we_cannot_read_says_what_suffices(client: httpx.AsyncClient) -> None:
    with pytest.raises(UnsupportedSourceError) as refused:
        await read_metadata("pvc://claim/llama", client=client)
    assert str(refused.value).endswith(
        "set spec.model.size.weights (or .parameters), spec.model.size.kvBytesPerToken and "
        "spec.model.maxModelLen, which suffice"
    )


async def test_a_secret_for_something_else_does_not_close_a_public_repository(
    client: httpx.AsyncClient,
) -> None:
    with fake_hub() as hub:
        hub.files[REPO] = single()
        keys = Credentials(aws={"AWS_REGION": "eu"}, origin="Secret store", is_secret=True)
        assert (await read(hub, client, credentials=keys)).layers == 3
