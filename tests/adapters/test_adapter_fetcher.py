"""What runs beside the engine: adapters of the network come into the pod, and leave it again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from typer.testing import CliRunner

from tierwise_core.adapter_container import adapter_fetcher
from tierwise_core.delivery import Delivery
from tierwise_core.errors import SourceNotFoundError
from tierwise_core.model_source import ModelSource
from tierwise_core.remote_files import RemoteFile, RemoteTree
from tierwise_operator.adapter_fetcher import AdapterShelf, application
from tierwise_operator.weights.__main__ import app

NAME = "12ab34cd56ef7890"
FILES = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}


@dataclass
class Repository:
    """An origin with files in memory that counts what is fetched."""

    files: dict[str, bytes]
    fetched: list[str] = field(default_factory=list)
    place: str = "memory"

    async def tree(self) -> RemoteTree:
        if not self.files:
            raise SourceNotFoundError("hf://acme/none does not exist")
        return RemoteTree(
            "commit-1", tuple(RemoteFile(p, len(b), f"id:{p}") for p, b in self.files.items())
        )

    async def chunks(self, file: RemoteFile, start: int, stop: int | None) -> AsyncIterator[bytes]:
        self.fetched.append(file.path)
        yield self.files[file.path][start:stop]


@dataclass
class Beside:
    """The fetcher of one pod, and what the network has."""

    directory: Path
    client: httpx.AsyncClient
    repositories: dict[str, Repository]

    async def put(self, name: str = NAME, source: object = "hf://acme/lora") -> httpx.Response:
        return await self.client.put(f"/adapters/{name}", json={"source": source})


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    repositories = {"acme/lora": Repository(dict(FILES))}

    def origin(where: ModelSource) -> Repository:
        return repositories.get(where.location, Repository({}))

    (tmp_path / ".files").mkdir()
    runner = web.AppRunner(application(AdapterShelf(tmp_path, origin, lambda: 0.0)))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield Beside(tmp_path, client, repositories)
    await runner.cleanup()


async def test_an_adapter_is_there_when_the_answer_comes(beside: Beside) -> None:
    answer = await beside.put()
    assert (answer.status_code, answer.json()) == (200, {"revision": "commit-1"})
    for name, content in FILES.items():
        assert (beside.directory / NAME / name).read_bytes() == content


async def test_what_is_there_is_not_fetched_again(beside: Beside) -> None:
    await beside.put()
    await beside.put()
    assert sorted(beside.repositories["acme/lora"].fetched) == sorted(FILES)


async def test_dropped_files_are_gone_and_may_come_again(beside: Beside) -> None:
    await beside.put()
    assert (await beside.client.delete(f"/adapters/{NAME}")).status_code == 200
    assert list(beside.directory.glob(f"**/{NAME}*/*.json")) == []
    assert not (beside.directory / NAME).exists()
    assert (await beside.put()).status_code == 200


async def test_what_does_not_exist_is_told_as_it_is(beside: Beside) -> None:
    answer = await beside.put(source="hf://acme/none")
    assert answer.status_code == 422
    assert "hf://acme/none does not exist" in answer.json()["error"]["message"]


async def test_a_model_is_no_adapter(beside: Beside) -> None:
    beside.repositories["acme/llama"] = Repository({"config.json": b"{}"})
    answer = await beside.put(source="hf://acme/llama")
    assert "has no adapter_config.json" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["..", "x" * 16, "12AB34CD", "ab"])
async def test_a_name_leads_nowhere_else(beside: Beside, name: str) -> None:
    answer = await beside.put(name)
    assert answer.status_code in {400, 404}
    assert [path.name for path in beside.directory.iterdir()] == [".files"]


async def test_nonsense_is_refused(beside: Beside) -> None:
    assert (await beside.put(source=7)).status_code == 400
    assert (await beside.client.put(f"/adapters/{NAME}", content=b"{")).status_code == 400
    body = json.dumps([1]).encode()
    assert (await beside.client.put(f"/adapters/{NAME}", content=body)).status_code == 400


def test_the_pods_command_is_there_with_its_options() -> None:
    spec = adapter_fetcher(Delivery(image="operator"), "", None)
    help_text = CliRunner().invoke(app, ["adapters", "--help"]).output
    assert {word for word in spec["args"] if word.startswith("--")} <= set(help_text.split())
    assert spec["args"][0] == "adapters"
