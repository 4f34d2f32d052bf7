"""Fetching a model from a Hub on the loopback: whole, resumed, shared, damaged and evicted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hub_server import COMMIT, FakeHub, Fault, fake_hub, safetensors

from tierwise_core.errors import SourceNotFoundError, SourceUnreadableError, UnauthorizedError
from tierwise_core.weight_cache import entry_key
from tierwise_operator.sources.origins import Access, origin_of
from tierwise_operator.weights import CacheFullError, CorruptError, Fetched, Wish, fetch
from tierwise_operator.weights.cache import WeightCache
from tierwise_operator.weights.download import Patience
from tierwise_operator.weights.errors import DirectoryError
from tierwise_operator.weights.locks import exclusive, lease, try_exclusive
from tierwise_operator.weights.progress import Progress

REPO = "acme/sorter"
WEIGHTS = safetensors({"w": ("BF16", [3_000_000])}, metadata="v1")
OTHER = "c0ffee0000000000000000000000000000000002"
FILES = {
    "config.json": b'{"a": 1}',
    "tokenizer.json": b"{}",
    "generation_config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"x" * 1000,
    ".gitattributes": b"",
}
PATIENCE = Patience(tries=3, progress_bytes=1024)


class Bench:
    """A hub, a cache, and what was said and waited for."""

    def __init__(self, hub: FakeHub, client: httpx.AsyncClient, root: Path) -> None:
        self.hub, self.client, self.root = hub, client, root
        self.cache = WeightCache(root / "cache")
        self.said: list[str] = []
        self.waits: list[float] = []
        self.said_one = asyncio.Event()
        self.leases: list[int] = []

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def fetch(self, name: str = "model", **changes: Any) -> Fetched:
        given = {"cache": self.cache, "patience": PATIENCE, **changes}
        wish = Wish(given.pop("source", f"hf://{REPO}"), None, self.root / name, **given)
        access = Access(self.client, hub_endpoint=self.hub.endpoint)
        progress = Progress(self.said.append, clock=lambda: 0.0)
        found = await fetch(wish, lambda where: origin_of(where, access), progress, self.wait)
        if found.lease is not None:
            self.leases.append(found.lease)
        return found

    def end_pod(self, number: int) -> None:
        """The pod that made that fetch is gone, and its lease with it."""
        os.close(self.leases.pop(number))

    def asked(self, file: str) -> int:
        return self.hub.asked().count(file)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as running:
        running.files[REPO] = dict(FILES)
        yield running


@pytest.fixture
async def bench(hub: FakeHub, tmp_path: Path) -> AsyncIterator[Bench]:
    async with httpx.AsyncClient(timeout=60) as client:
        bench = Bench(hub, client, tmp_path)
        yield bench
        for held in bench.leases:
            os.close(held)


async def test_a_link_leads_to_a_whole_model(bench: Bench) -> None:
    found = await bench.fetch()
    model = bench.root / "model"
    assert model.is_symlink()
    assert sorted(path.name for path in model.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert (model / "model.safetensors").read_bytes() == WEIGHTS
    assert found.revision == COMMIT
    assert found.filled.downloaded_bytes == len(WEIGHTS) + 8 + 2 + 2
    assert any("(100 %)" in line for line in bench.said)


async def test_a_second_replica_downloads_nothing(bench: Bench) -> None:
    await bench.fetch("one")
    before = bench.hub.bytes_written
    found = await bench.fetch("two")
    assert found.filled.downloaded_bytes == 0
    assert bench.asked("model.safetensors") == 1
    assert bench.hub.bytes_written - before < 2000
    assert (bench.root / "one").resolve() == (bench.root / "two").resolve()


async def test_a_new_revision_downloads_what_changed(bench: Bench) -> None:
    await bench.fetch("one")
    bench.hub.revisions["main"] = OTHER
    bench.hub.files[REPO]["config.json"] = b'{"a": 2}'
    found = await bench.fetch("two")
    assert (found.revision, found.filled.downloaded_bytes) == (OTHER, 8)
    assert found.filled.reused_bytes == len(WEIGHTS) + 4
    old, new = (bench.root / name / "model.safetensors" for name in ("one", "two"))
    assert old.resolve() != new.resolve()
    assert old.stat().st_ino == new.stat().st_ino
    assert (bench.root / "one" / "config.json").read_bytes() == b'{"a": 1}'


async def test_a_file_system_without_links_copies(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    await bench.fetch("one")
    bench.hub.revisions["main"] = OTHER
    monkeypatch.setattr(os, "link", refuse)
    found = await bench.fetch("two")
    assert found.filled.downloaded_bytes == 0
    assert (bench.root / "two" / "model.safetensors").read_bytes() == WEIGHTS


def overwrite(path: Path) -> None:
    path.write_bytes(b"\0" * len(WEIGHTS))


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [overwrite, cut_off, remove])
async def test_a_damaged_file_is_fetched_again_alone(
    bench: Bench, damage: Callable[[Path], None]
) -> None:
    await bench.fetch()
    damage((bench.root / "model" / "model.safetensors").resolve())
    found = await bench.fetch()
    assert found.filled.downloaded_bytes == len(WEIGHTS)
    assert (bench.root / "model" / "model.safetensors").read_bytes() == WEIGHTS
    assert (bench.asked("model.safetensors"), bench.asked("config.json")) == (2, 1)
    assert "model.safetensors is damaged in the cache; fetched again" in bench.said


async def test_damage_that_keeps_size_and_time_is_found_when_asked(bench: Bench) -> None:
    await bench.fetch()
    path = (bench.root / "model" / "model.safetensors").resolve()
    before = path.stat()
    overwrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (await bench.fetch()).filled.downloaded_bytes == 0
    assert (await bench.fetch(verify=True)).filled.downloaded_bytes == len(WEIGHTS)
    assert path.read_bytes() == WEIGHTS


async def test_a_touched_file_is_hashed_and_kept(bench: Bench) -> None:
    await bench.fetch()
    os.utime((bench.root / "model" / "model.safetensors").resolve(), ns=(1, 1))
    assert (await bench.fetch()).filled.downloaded_bytes == 0


async def test_a_broken_connection_is_taken_up_where_it_broke(bench: Bench) -> None:
    bench.hub.faults["model.safetensors"] = Fault(breaks_after=2_000_000, times=2)
    await bench.fetch()
    assert (bench.root / "model" / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [
        headers["Range"]
        for path, headers in bench.hub.requests
        if path.endswith("model.safetensors")
    ]
    last = len(WEIGHTS) - 1
    assert ranges == [
        f"bytes=0-{last}",
        f"bytes=2000000-{last}",
        f"bytes=4000000-{last}",
    ]
    assert bench.waits == [1.0, 1.0]


async def test_another_process_takes_up_what_one_left_behind(bench: Bench) -> None:
    bench.hub.faults["model.safetensors"] = Fault(breaks_after=2_000_000, times=1)
    with pytest.raises(SourceUnreadableError):
        await bench.fetch(patience=Patience(tries=1))
    await bench.fetch()
    assert f"bytes=2000000-{len(WEIGHTS) - 1}" in [h.get("Range") for _, h in bench.hub.requests]
    assert (bench.root / "model" / "model.safetensors").read_bytes() == WEIGHTS


async def test_a_server_that_ignores_ranges_is_read_from_the_beginning(bench: Bench) -> None:
    bench.hub.faults["model.safetensors"] = Fault(
        breaks_after=2_000_000, times=1, ignores_range=True
    )
    await bench.fetch()
    assert (bench.root / "model" / "model.safetensors").read_bytes() == WEIGHTS


async def test_a_wrong_hash_is_fetched_once_more(bench: Bench) -> None:
    bench.hub.faults["model.safetensors"] = Fault(flips_a_bit=True, times=1)
    await bench.fetch()
    assert (bench.root / "model" / "model.safetensors").read_bytes() == WEIGHTS
    assert "model.safetensors arrived damaged; it is fetched again" in bench.said


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
async def test_a_file_that_stays_wrong_is_refused(bench: Bench, file: str) -> None:
    bench.hub.faults[file] = Fault(flips_a_bit=True)
    with pytest.raises(CorruptError, match=rf"{file}: its source promises .*; upload the file"):
        await bench.fetch()
    assert not (bench.root / "model").exists()


async def test_a_busy_server_is_asked_when_it_says(bench: Bench) -> None:
    busy = Fault(status=429, headers={"Retry-After": "7"}, times=2)
    bench.hub.faults["model.safetensors"] = busy
    bench.hub.faults["api/revision"] = Fault(status=503, headers={"Retry-After": "9999"}, times=1)
    await bench.fetch()
    assert bench.waits == [120.0, 7.0, 7.0]


async def test_a_server_that_stays_busy_is_given_up(bench: Bench) -> None:
    bench.hub.faults["model.safetensors"] = Fault(status=503)
    with pytest.raises(SourceUnreadableError, match="answered 503"):
        await bench.fetch()
    assert bench.asked("model.safetensors") == PATIENCE.tries


async def test_a_silent_server_is_given_up_in_bounded_time(bench: Bench) -> None:
    bench.hub.faults["model.safetensors"] = Fault(silent=True)
    with pytest.raises(SourceUnreadableError, match=r"sends less than 4\.0 MiB in 0 s"):
        await bench.fetch(patience=Patience(tries=2, block_seconds=0.4))
    assert bench.asked("model.safetensors") == 2


async def test_a_hub_that_is_away_leaves_us_what_we_have(bench: Bench) -> None:
    await bench.fetch("one")
    bench.hub.faults["api/revision"] = Fault(status=503)
    found = await bench.fetch("two")
    assert found.stale
    assert found.revision == COMMIT
    assert (bench.root / "two" / "model.safetensors").read_bytes() == WEIGHTS


async def test_who_never_read_a_model_gets_none_while_its_hub_is_away(bench: Bench) -> None:
    await bench.fetch("one", reader="those who may")
    bench.hub.faults["api/revision"] = Fault(status=503)
    with pytest.raises(SourceUnreadableError, match="answered 503"):
        await bench.fetch("two", reader="somebody else")


async def test_another_server_s_file_of_a_weak_name_is_not_taken_for_ours(bench: Bench) -> None:
    await bench.fetch("one")
    with fake_hub() as other:
        other.files[REPO] = dict(FILES)
        bench.hub = other
        found = await bench.fetch("two")
    assert found.filled.reused_bytes == len(WEIGHTS)  # known by its SHA-256
    assert found.filled.downloaded_bytes == 12  # known by git's hash alone


@pytest.mark.parametrize("links", ["", "https://huggingface.co"])
async def test_a_long_listing_is_followed_on_the_mirror_itself(bench: Bench, links: str) -> None:
    bench.hub.page, bench.hub.links = 2, links
    await bench.fetch()
    assert len(list_names(bench.root / "model")) == 4


def list_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_hub_that_is_away_and_a_damaged_cache(bench: Bench) -> None:
    await bench.fetch("one")
    bench.hub.faults["api/revision"] = Fault(status=503)
    remove((bench.root / "one" / "model.safetensors").resolve())
    with pytest.raises(SourceUnreadableError, match="files in the cache are damaged"):
        await bench.fetch("two")


async def test_a_repository_that_is_gone_is_not_served_from_memory(bench: Bench) -> None:
    await bench.fetch("one")
    del bench.hub.files[REPO]
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        await bench.fetch("two")


async def test_a_gated_file_needs_a_token(bench: Bench) -> None:
    bench.hub.gated[REPO] = "hf_secret"
    with pytest.raises(UnauthorizedError, match=r"spec\.model\.secretRef"):
        await bench.fetch()


async def test_a_token_does_not_follow_to_another_host(tmp_path: Path) -> None:
    with fake_hub(with_cdn=True) as hub:
        hub.files[REPO] = dict(FILES)
        async with httpx.AsyncClient() as client:
            access = Access(client, hub_endpoint=hub.endpoint, hub_token="hf_secret")
            wish = Wish(f"hf://{REPO}", None, tmp_path / "model")
            progress = Progress(lambda _: None, clock=lambda: 0.0)
            await fetch(wish, lambda where: origin_of(where, access), progress)
        assert all(h["Authorization"] == "Bearer hf_secret" for _, h in hub.requests)
        assert hub.cdn_requests
        assert all("Authorization" not in headers for _, headers in hub.cdn_requests)


async def test_two_pods_at_once_fetch_once(bench: Bench) -> None:
    one, two = await asyncio.gather(bench.fetch("one"), bench.fetch("two"))
    assert bench.asked("model.safetensors") == 1
    total = one.filled.downloaded_bytes + two.filled.downloaded_bytes
    assert total == len(WEIGHTS) + 12


async def test_who_waits_for_another_pod_says_so(bench: Bench) -> None:
    key = entry_key(f"hf {bench.hub.endpoint} {REPO}", COMMIT)
    held = try_exclusive(bench.cache.fill_lock(key))
    assert held is not None

    async def until_told(seconds: float) -> None:
        os.close(held)
        bench.waits.append(seconds)

    bench.wait = until_told  # type: ignore[method-assign]
    await bench.fetch()
    assert "another pod fetches hf://acme/sorter" in bench.said[0]
    assert len(bench.waits) == 1


async def test_a_lock_waits_for_whoever_has_it(bench: Bench, tmp_path: Path) -> None:
    told: list[str] = []
    async with exclusive(tmp_path / "lock", bench.wait, lambda: told.append("first")):
        second = asyncio.create_task(_locked(tmp_path / "lock", bench, told))
        await bench.said_one.wait()
    await second
    assert told[0] == "second waits"
    assert told[-1] == "second has it"


def _say(bench: Bench, told: list[str]) -> None:
    told.append("second waits")
    bench.said_one.set()


async def _locked(path: Path, bench: Bench, told: list[str]) -> None:
    async with exclusive(path, bench.wait, lambda: _say(bench, told)):
        told.append("second has it")


def small_model(hub: FakeHub, name: str) -> str:
    content = safetensors({"w": ("BF16", [500_000])}, metadata=name)
    hub.files[name] = {"config.json": name.encode(), "model.safetensors": content}
    return f"hf://{name}"


async def test_the_least_recently_used_leaves(bench: Bench) -> None:
    bench.cache = replace(bench.cache, max_bytes=2_500_000)
    for age, name in enumerate(("acme/a", "acme/b")):
        await bench.fetch(name[-1], source=small_model(bench.hub, name))
        bench.end_pod(0)
        record = (bench.root / name[-1]).resolve().parent / "entry.json"
        os.utime(record, (age + 1, age + 1))
    await bench.fetch("c", source=small_model(bench.hub, "acme/c"))
    assert not (bench.root / "a").exists()
    assert (bench.root / "b").exists()
    assert (bench.root / "c").exists()


async def test_what_a_pod_uses_does_not_leave(bench: Bench) -> None:
    bench.cache = replace(bench.cache, max_bytes=2_500_000)
    for name in ("acme/a", "acme/b"):
        await bench.fetch(name[-1], source=small_model(bench.hub, name))
    with pytest.raises(CacheFullError, match=r"in use by running pods; .* are missing: raise"):
        await bench.fetch("c", source=small_model(bench.hub, "acme/c"))
    bench.end_pod(0)
    await bench.fetch("c", source=small_model(bench.hub, "acme/c"))
    assert not (bench.root / "a").exists()
    assert (bench.root / "b").exists()


async def test_a_lease_can_be_shared(tmp_path: Path) -> None:
    descriptors = [lease(tmp_path / "use") for _ in range(2)]
    assert len(set(descriptors)) == 2
    for descriptor in descriptors:
        os.close(descriptor)


async def test_a_model_larger_than_the_cache(bench: Bench) -> None:
    bench.cache = replace(bench.cache, max_bytes=1_000_000)
    with pytest.raises(CacheFullError, match=r"the model needs 5\.\d+ MiB more"):
        await bench.fetch()


async def test_a_directory_is_filled_without_a_cache(bench: Bench) -> None:
    await bench.fetch(cache=None)
    found = await bench.fetch(cache=None)
    assert (bench.root / "model" / "model.safetensors").read_bytes() == WEIGHTS
    assert not (bench.root / "model").is_symlink()
    assert found.filled.downloaded_bytes == 0


async def test_a_directory_is_brought_to_a_new_revision(bench: Bench) -> None:
    await bench.fetch(cache=None)
    bench.hub.revisions["main"] = OTHER
    files = bench.hub.files[REPO]
    files["vocab.json"] = files.pop("tokenizer.json")
    files["config.json"] = b"{}"
    await bench.fetch(cache=None)
    names = {path.name for path in (bench.root / "model").iterdir()}
    assert "vocab.json" in names
    assert "tokenizer.json" not in names
    assert (bench.root / "model" / "config.json").read_bytes() == b"{}"
    assert bench.asked("model.safetensors") == 1


async def test_a_directory_of_somebody_else_is_left_alone(bench: Bench) -> None:
    (bench.root / "model").mkdir()
    (bench.root / "model" / "thesis.txt").write_text("mine")
    with pytest.raises(DirectoryError, match="give an empty or a new directory"):
        await bench.fetch(cache=None)
    with pytest.raises(DirectoryError, match="is no link"):
        await bench.fetch()


async def test_files_of_equal_content_all_arrive(bench: Bench) -> None:
    await bench.fetch()
    model = bench.root / "model"
    assert (model / "tokenizer.json").read_bytes() == b"{}"
    assert (model / "generation_config.json").read_bytes() == b"{}"
