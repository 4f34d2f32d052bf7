"""Reading a model out of a registry, however it was packed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hub_server import safetensors
from loopback import Trouble
from oci_server import (
    IMAGE_LAYER,
    INDEX,
    KIT,
    MODELPACK,
    TOKEN,
    FakeRegistry,
    digest,
    fake_registry,
    tarball,
)

from tierwise_core.errors import (
    SourceError,
    SourceNotFoundError,
    SourceUnreadableError,
    UnauthorizedError,
    UnsupportedSourceError,
)
from tierwise_core.sizing import ModelMetadata, SizeOverrides
from tierwise_operator.sources import Credentials, MetadataCache, read_metadata

CONFIG = json.dumps(
    {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "max_position_embeddings": 256,
        "torch_dtype": "bfloat16",
    }
).encode()
WEIGHTS = safetensors({"w": ("BF16", [8000, 64])})
WEIGHT_BYTES = 8000 * 64 * 2
MODEL = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "tokenizer.json": b"{}"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as running:
        yield running


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


def login(registry: FakeRegistry, user: tuple[str, str] | None = None) -> Credentials:
    config = registry.docker_config(user) if user else registry.docker_config()
    return Credentials(docker_config=config, origin="Secret pull", is_secret=True)


async def read(
    registry: FakeRegistry, client: httpx.AsyncClient, name: str = "acme/sorter:v1", **more: Any
) -> ModelMetadata:
    return await read_metadata(f"oci://{registry.host}/{name}", client=client, **more)


async def trouble(
    registry: FakeRegistry, client: httpx.AsyncClient, name: str = "acme/sorter:v1", **more: Any
) -> SourceError:
    with pytest.raises(SourceError) as raised:
        await read(registry, client, name, **more)
    return raised.value


def push_modelpack(registry: FakeRegistry, name: str = "acme/sorter:v1") -> str:
    kinds = {"config.json": "weight.config", "model.safetensors": "weight", "README.md": "doc"}
    layers = [
        registry.layer(
            f"{MODELPACK}.{kind}.v1.raw",
            MODEL.get(path, b"words"),
            org__cncf__model__filepath=path,
        )
        for path, kind in kinds.items()
    ]
    return registry.push(name, *layers, artifactType=f"{MODELPACK}.manifest.v1+json")


async def test_a_modelpack_of_raw_layers_is_read_by_ranges(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    push_modelpack(registry)
    found = await read(registry, client)
    assert (found.weights_bytes, found.layers) == (WEIGHT_BYTES, 3)
    assert registry.bytes_written < 200_000


@pytest.mark.parametrize("pax", [False, True])
@pytest.mark.parametrize(
    "media", [IMAGE_LAYER, f"{KIT}.model.v1.tar", f"{MODELPACK}.weight.v1.tar"]
)
async def test_an_archive_is_walked_without_reading_the_weights(
    registry: FakeRegistry, client: httpx.AsyncClient, media: str, *, pax: bool
) -> None:
    long = "models/" + "long-" * 40 + "/sorter/"
    files = {long + name: content for name, content in MODEL.items()}
    registry.push("acme/sorter:v1", registry.layer(media, tarball(files, pax=pax)))
    found = await read(registry, client)
    assert found.weights_bytes == WEIGHT_BYTES
    assert registry.bytes_written < 500_000 < len(tarball(files))


async def test_an_image_of_several_layers_is_one_model(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    system = tarball({"etc/passwd": b"root", "usr/lib/x/config.jsonx": b""}, zipped=True)
    small = tarball({"models/config.json": CONFIG}, zipped=True)
    large = tarball({"models/model.safetensors": WEIGHTS})
    registry.push(
        "acme/sorter:v1",
        registry.layer(f"{IMAGE_LAYER}+gzip", system),
        registry.layer(f"{IMAGE_LAYER}+gzip", small),
        registry.layer(IMAGE_LAYER, large),
    )
    assert (await read(registry, client)).weights_bytes == WEIGHT_BYTES


async def test_files_that_oras_pushed_under_an_image_s_media_type(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    layers = [
        registry.layer(IMAGE_LAYER, content, org__opencontainers__image__title=name)
        for name, content in MODEL.items()
    ]
    registry.push("acme/sorter:v1", *layers)
    assert (await read(registry, client)).weights_bytes == WEIGHT_BYTES


async def test_an_index_leads_to_the_image_for_linux_on_x86(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    other = registry.push("acme/sorter:arm", registry.layer(IMAGE_LAYER, tarball({"x": b""})))
    ours = push_modelpack(registry, "acme/sorter:amd")
    manifests = [
        {"digest": other, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": ours, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    registry.put("acme/sorter", "v1", {"mediaType": INDEX, "manifests": manifests})
    assert (await read(registry, client)).weights_bytes == WEIGHT_BYTES


async def test_a_digest_and_a_revision_name_the_version(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    pinned = push_modelpack(registry)
    assert (await read(registry, client, f"acme/sorter@{pinned}")).layers == 3
    assert (await read(registry, client, "acme/sorter", revision=pinned)).layers == 3
    assert (await read(registry, client, "acme/sorter", revision="v1")).layers == 3


async def test_a_private_repository_asks_the_token_service(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    push_modelpack(registry)
    registry.private.add("acme/sorter")
    found = await read(registry, client, credentials=login(registry))
    assert found.layers == 3
    assert registry.asked("/token") == 1
    config = digest(CONFIG)
    sent = [headers for _, path, headers in registry.requests if path.endswith(config)]
    assert sent[0]["Authorization"] == f"Bearer {TOKEN}"


async def test_a_registry_with_plain_passwords(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    push_modelpack(registry)
    registry.private.add("acme/sorter")
    registry.basic = True
    assert (await read(registry, client, credentials=login(registry))).layers == 3


async def test_the_token_stays_with_the_registry(client: httpx.AsyncClient) -> None:
    with fake_registry(with_storage=True) as registry:
        push_modelpack(registry)
        registry.private.add("acme/sorter")
        await read(registry, client, credentials=login(registry))
        assert registry.storage_requests
        assert all("Authorization" not in headers for headers in registry.storage_requests)


async def test_a_wrong_password_is_told_and_not_shown(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    push_modelpack(registry)
    registry.private.add("acme/sorter")
    error = await trouble(registry, client, credentials=login(registry, ("reader", "wr0ng")))
    assert isinstance(error, UnauthorizedError)
    assert f"the entry for {registry.host} in Secret pull may not pull it" in str(error)
    assert "wr0ng" not in str(error)


async def test_a_missing_login_says_where_to_put_it(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    push_modelpack(registry)
    registry.private.add("acme/sorter")
    error = await trouble(registry, client)
    assert isinstance(error, UnauthorizedError)
    assert "kubectl create secret docker-registry" in str(error)


async def test_a_secret_of_another_kind(registry: FakeRegistry, client: httpx.AsyncClient) -> None:
    odd = Credentials(docker_config="[]", origin="Secret pull", is_secret=True)
    push_modelpack(registry)
    registry.private.add("acme/sorter")
    assert "is not a Docker config" in str(await trouble(registry, client, credentials=odd))
    empty = Credentials(hf_token="x", origin="Secret pull", is_secret=True)
    assert "lacks .dockerconfigjson" in str(await trouble(registry, client, credentials=empty))


async def test_a_tag_that_is_not_there(registry: FakeRegistry, client: httpx.AsyncClient) -> None:
    error = await trouble(registry, client)
    assert isinstance(error, SourceNotFoundError)
    assert "check registry, repository and tag" in str(error)


async def test_a_moving_tag_is_read_again_and_a_still_one_is_not(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    cache = MetadataCache()
    push_modelpack(registry)
    await read(registry, client, cache=cache)
    before = len(registry.requests)
    await read(registry, client, cache=cache)
    assert len(registry.requests) == before + 1
    files = {"config.json": CONFIG.replace(b'_layers": 3', b'_layers": 5')}
    registry.push("acme/sorter:v1", registry.layer(IMAGE_LAYER, tarball({**MODEL, **files})))
    assert (await read(registry, client, cache=cache)).layers == 5


async def test_weights_in_a_large_compressed_layer_need_an_override(
    registry: FakeRegistry, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tierwise_operator.sources.tree_reading.MAX_GZIP_BYTES", 1000)
    small = tarball({"config.json": CONFIG}, zipped=True)
    large = tarball({"model.safetensors": WEIGHTS}, zipped=True)
    registry.push(
        "acme/sorter:v1",
        registry.layer(f"{KIT}.config.v1.tar+gzip", small),
        registry.layer(f"{KIT}.model.v1.tar+gzip", large),
    )
    error = await trouble(registry, client)
    assert "has its weights in a compressed archive" in str(error)
    assert "set spec.model.size.weights" in str(error)
    found = await read(registry, client, overrides=SizeOverrides(weights_bytes=5))
    assert found.layers == 3


@pytest.mark.parametrize(
    ("media", "said"),
    [
        (f"{KIT}.model.v1.tar+zstd", "compressed by zstd"),
        (f"{KIT}.model.v1.tar+gzip", "is not sound gzip"),
        (f"{KIT}.model.v1.tar", "is not a tar archive"),
    ],
)
async def test_layers_that_cannot_be_read(
    registry: FakeRegistry, client: httpx.AsyncClient, media: str, said: str
) -> None:
    registry.push("acme/sorter:v1", registry.layer(media, b"x" * 4096))
    error = await trouble(registry, client)
    assert said in str(error)
    assert "push it" in str(error)


async def test_an_archive_that_is_cut_off(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    body = tarball(MODEL)[:600_000]
    registry.push("acme/sorter:v1", registry.layer(IMAGE_LAYER, body))
    assert "is cut off inside model.safetensors" in str(await trouble(registry, client))


async def test_a_path_that_leaves_the_model(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    layer = registry.layer(IMAGE_LAYER, b"x", org__opencontainers__image__title="../../etc/passwd")
    registry.push("acme/sorter:v1", layer)
    assert "push it with relative paths" in str(await trouble(registry, client))


async def test_a_registry_that_is_busy_or_ignores_ranges(
    registry: FakeRegistry, client: httpx.AsyncClient
) -> None:
    push_modelpack(registry)
    registry.troubles["v1"] = Trouble(status=429, headers={"Retry-After": "7"})
    error = await trouble(registry, client)
    assert isinstance(error, SourceUnreadableError)
    assert error.retryable
    registry.troubles[digest(WEIGHTS)] = Trouble(ignores_range=True, times=9)
    assert (await read(registry, client)).weights_bytes == WEIGHT_BYTES


@pytest.mark.parametrize(
    "source", ["oci://UPPER/case:1", "oci://h.io/a:b:c", "oci://h.io/a/b@sha256:12"]
)
async def test_a_reference_that_is_none(client: httpx.AsyncClient, source: str) -> None:
    with pytest.raises(UnsupportedSourceError, match=r"spec\.model\.(source|revision)"):
        await read_metadata(source, client=client)
