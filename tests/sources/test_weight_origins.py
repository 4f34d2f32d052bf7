"""Fetching from an object store and a registry; the command; a lease that dies with its pod."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hub_server import FakeHub, Fault, fake_hub, safetensors
from loopback import Trouble
from oci_server import (
    IMAGE_LAYER,
    KIT,
    MODELPACK,
    digest,
    fake_registry,
    tarball,
)
from s3_server import KEY_ID, SECRET, FakeS3, fake_s3

from tierwise_operator.sources import Credentials
from tierwise_operator.sources.origins import Access, origin_of
from tierwise_operator.weights import CorruptError, Fetched, Wish, fetch
from tierwise_operator.weights.cache import WeightCache
from tierwise_operator.weights.locks import try_exclusive
from tierwise_operator.weights.progress import Progress

WEIGHTS = safetensors({"w": ("BF16", [3_000_000])})
MODEL = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS}
KEYS = Credentials(aws={"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as running:
        yield running


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


async def bring(source: str, target: Path, access: Access, **more: Any) -> Fetched:
    wish = Wish(source, None, target, **more)
    progress = Progress(lambda _: None, clock=lambda: 0.0)
    found = await fetch(wish, lambda where: origin_of(where, access), progress, no_wait)
    if found.lease is not None:
        os.close(found.lease)
    return found


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if path.is_file() and not path.name.startswith(".")
    }


def everywhere(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*")}


def bucket(store: FakeS3) -> None:
    store.objects["models"] = {f"llama/{name}": body for name, body in MODEL.items()}


async def test_a_prefix_is_fetched_and_shared(client: httpx.AsyncClient, tmp_path: Path) -> None:
    with fake_s3() as store:
        bucket(store)
        access = Access(client, s3_endpoint=store.endpoint, credentials=KEYS)
        cache = WeightCache(tmp_path / "cache")
        await bring("s3://models/llama", tmp_path / "one", access, cache=cache)
        again = await bring("s3://models/llama", tmp_path / "two", access, cache=cache)
        assert content(tmp_path / "two") == MODEL
        assert again.filled.downloaded_bytes == 0
        assert store.asked("model.safetensors") == 1


async def test_an_object_that_arrives_damaged_is_fetched_again(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    with fake_s3() as store:
        bucket(store)
        store.troubles["llama/model.safetensors"] = Trouble(flips_a_bit=True)
        access = Access(client, s3_endpoint=store.endpoint, credentials=KEYS)
        await bring("s3://models/llama", tmp_path / "one", access)
        assert content(tmp_path / "one") == MODEL


async def test_an_etag_that_is_no_md5_is_believed_after_a_second_look(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    with fake_s3() as store:
        bucket(store)
        store.tags["llama/model.safetensors"] = "0" * 32  # as of an encrypted bucket
        store.tags["llama/config.json"] = "0" * 32 + "-7"  # as of an upload in parts
        access = Access(client, s3_endpoint=store.endpoint, credentials=KEYS)
        await bring("s3://models/llama", tmp_path / "one", access)
        assert content(tmp_path / "one") == MODEL
        assert store.asked("model.safetensors") == 2
        assert store.asked("config.json") == 1


@pytest.mark.parametrize("zipped", [False, True])
async def test_an_image_is_unpacked_and_its_model_found(
    client: httpx.AsyncClient, tmp_path: Path, *, zipped: bool
) -> None:
    files = {f"models/llama/{name}": body for name, body in MODEL.items()}
    files |= {"etc/passwd": b"root", "models/.wh.old": b"", "../escape": b"no"}
    with fake_registry(with_storage=True) as registry:
        kind = "+gzip" if zipped else ""
        registry.push(
            "acme/llama:v1", registry.layer(IMAGE_LAYER + kind, tarball(files, zipped=zipped))
        )
        source = f"oci://{registry.host}/acme/llama:v1"
        cache = WeightCache(tmp_path / "cache")
        for name in ("one", "two"):
            await bring(source, tmp_path / name, Access(client), cache=cache)
        assert content(tmp_path / "two") == MODEL
        assert "escape" not in everywhere(tmp_path)
        assert len(registry.storage_requests) == 1


async def test_a_new_tag_takes_unchanged_layers_from_the_old(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    with fake_registry() as registry:
        weights = registry.layer(
            f"{KIT}.model.v1.tar", tarball({"model.safetensors": WEIGHTS, "vocab.json": b"{}"})
        )
        cache = WeightCache(tmp_path / "cache")
        for tag in ("v1", "v2"):
            config = registry.layer(
                f"{MODELPACK}.weight.config.v1.raw",
                tag.encode(),
                org__cncf__model__filepath="config.json",
            )
            registry.push(f"acme/llama:{tag}", weights, config)
            source = f"oci://{registry.host}/acme/llama:{tag}"
            found = await bring(source, tmp_path / tag, Access(client), cache=cache)
        assert found.filled.downloaded_bytes == 2
        assert content(tmp_path / "v2") == {
            "config.json": b"v2",
            "model.safetensors": WEIGHTS,
            "vocab.json": b"{}",
        }


async def test_a_blob_that_breaks_off_is_taken_up(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    with fake_registry() as registry:
        body = tarball(MODEL)
        registry.push("acme/llama:v1", registry.layer(IMAGE_LAYER, body))
        registry.troubles[digest(body)] = Trouble(breaks_after=4_500_000)
        await bring(f"oci://{registry.host}/acme/llama:v1", tmp_path / "one", Access(client))
        assert content(tmp_path / "one") == MODEL
        assert registry.ranges(digest(body))[1].startswith("bytes=4500000-")


async def test_a_blob_of_another_digest_is_refused(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    with fake_registry() as registry:
        body = tarball(MODEL)
        registry.push("acme/llama:v1", registry.layer(IMAGE_LAYER, body))
        registry.blobs[digest(body)] = body[:-1] + b"x"
        with pytest.raises(CorruptError, match="upload the file again"):
            await bring(f"oci://{registry.host}/acme/llama:v1", tmp_path / "one", Access(client))


# The command, as a person and as a pod runs it.


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tierwise_operator.weights", "fetch", *arguments]


def ran(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": "operator", **environment}
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, env=known
    )


@pytest.fixture
def hub() -> Any:
    with fake_hub() as running:
        running.files["acme/llama"] = dict(MODEL)
        yield running


def test_the_command_tells_programs_what_it_did(hub: FakeHub, tmp_path: Path) -> None:
    done = ran(
        "hf://acme/llama",
        *("--to", str(tmp_path / "m"), "--cache", str(tmp_path / "c"), "--output", "json"),
        HF_ENDPOINT=hub.endpoint,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["downloaded_bytes"] == len(WEIGHTS) + 8
    assert content(tmp_path / "m") == MODEL
    assert "(100 %)" in done.stderr


def test_the_last_words_of_a_pod_say_what_to_do(hub: FakeHub, tmp_path: Path) -> None:
    words = tmp_path / "words"
    done = ran(
        "hf://acme/lost",
        *("--to", str(tmp_path / "m"), "--termination-log", str(words)),
        HF_ENDPOINT=hub.endpoint,
        HF_TOKEN="hf_very_secret",
    )
    assert done.returncode == 1
    assert words.read_text().startswith("SourceNotFound: spec.model.source: hf://acme/lost does")
    assert "hf_very_secret" not in done.stderr + done.stdout + words.read_text()


def test_a_store_s_keys_come_from_the_environment(tmp_path: Path) -> None:
    with fake_s3() as store:
        bucket(store)
        keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        done = ran(
            "s3://models/llama",
            "--to",
            str(tmp_path / "m"),
            AWS_ENDPOINT_URL=store.endpoint,
            **keys,
        )
        assert done.returncode == 0, done.stderr
        assert content(tmp_path / "m") == MODEL


def test_a_registry_s_login_comes_from_the_environment(tmp_path: Path) -> None:
    with fake_registry() as registry:
        push = registry.layer(IMAGE_LAYER, tarball(MODEL))
        registry.push("acme/llama:v1", push)
        registry.private.add("acme/llama")
        done = ran(
            f"oci://{registry.host}/acme/llama:v1",
            *("--to", str(tmp_path / "m")),
            TIERWISE_DOCKER_CONFIG_JSON=registry.docker_config(),
        )
        assert done.returncode == 0, done.stderr


def test_a_mistake_on_the_command_line_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    done = ran("hf://acme/llama", "--to", str(tmp_path / "m"), "--hold")
    assert done.returncode == 2
    assert "--hold needs --cache" in done.stderr


def test_a_lease_is_held_by_a_living_process_alone(hub: FakeHub, tmp_path: Path) -> None:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": "operator", "HF_ENDPOINT": hub.endpoint}
    arguments = ("--to", str(tmp_path / "m"), "--cache", str(tmp_path / "c"), "--hold")
    pod = subprocess.Popen(
        command("hf://acme/llama", *arguments), stdout=subprocess.PIPE, env=known, text=True
    )
    with pod:
        assert pod.stdout is not None
        assert "has revision" in pod.stdout.readline()
        (entry,) = (tmp_path / "c" / "entries").iterdir()
        lock = tmp_path / "c" / "locks" / f"{entry.name}.use"
        assert try_exclusive(lock) is None
        pod.send_signal(signal.SIGTERM)
        assert pod.wait(timeout=30) in {0, -signal.SIGTERM}
    free = try_exclusive(lock)
    assert free is not None
    os.close(free)


def test_who_waits_goes_on_where_a_killed_pod_ended(hub: FakeHub, tmp_path: Path) -> None:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": "operator", "HF_ENDPOINT": hub.endpoint}
    cache = ("--cache", str(tmp_path / "c"), "--at-once", "1")
    hub.faults["config.json"] = Fault(silent=True)  # the last file: the weights are there by then

    def pod(name: str) -> subprocess.Popen[str]:
        arguments = command("hf://acme/llama", "--to", str(tmp_path / name), *cache)
        return subprocess.Popen(arguments, stderr=subprocess.PIPE, env=known, text=True)

    with pod("one") as first:
        hub.silenced.wait(timeout=60)
        with pod("two") as second:
            assert second.stderr is not None
            assert "another pod fetches hf://acme/llama" in second.stderr.readline()
            hub.faults.clear()
            first.kill()
            assert second.wait(timeout=60) == 0
    assert content(tmp_path / "two") == MODEL
    assert hub.asked().count("model.safetensors") == 1
