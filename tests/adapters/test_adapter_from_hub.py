"""The example adapter on a server that answers like the Hub: checked here, fetched into the pod."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hub_server import COMMIT, FakeHub, Fault, fake_hub

from tierwise_core.errors import SourceNotFoundError, TierwiseError
from tierwise_operator.adapter_fetcher import AdapterShelf
from tierwise_operator.adapter_sources import AdapterAsked, adapter_reader
from tierwise_operator.sources.credentials import Credentials
from tierwise_operator.sources.origins import Access, origin_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "models" / "adapters" / "descending"
SOURCE = "hf://acme/descending"


@pytest.fixture
async def access() -> AsyncIterator[tuple[FakeHub, Access]]:
    files = {path.name: path.read_bytes() for path in EXAMPLE.iterdir()}
    with fake_hub() as hub:
        hub.files["acme/descending"] = files
        async with httpx.AsyncClient(timeout=60) as client:
            yield hub, Access(client, hub.endpoint)


async def test_its_rank_and_base_are_known_before_anybody_fetches_it(
    access: tuple[FakeHub, Access],
) -> None:
    facts = await adapter_reader(access[1])(AdapterAsked(SOURCE))
    assert (facts.rank, facts.base_model) == (8, "sorter")
    assert ("q_proj", 64, 64) in facts.widths


async def test_a_repository_that_is_not_there_is_said_to_be_so(
    access: tuple[FakeHub, Access],
) -> None:
    with pytest.raises(SourceNotFoundError, match="acme/nothing"):
        await adapter_reader(access[1])(AdapterAsked("hf://acme/nothing"))


async def test_a_gated_one_is_read_with_the_credentials_of_the_models_secret(
    access: tuple[FakeHub, Access],
) -> None:
    hub, reach = access
    hub.gated["acme/descending"] = "hf_secret"
    with pytest.raises(TierwiseError):
        await adapter_reader(reach)(AdapterAsked(SOURCE))

    async def secrets(namespace: str, name: str) -> Credentials:
        assert (namespace, name) == ("ai", "hub")
        return Credentials(hf_token="hf_secret")

    facts = await adapter_reader(reach, secrets)(AdapterAsked(SOURCE, "ai", "hub"))
    assert facts.rank == 8


async def test_it_comes_into_the_pod_byte_for_byte(
    access: tuple[FakeHub, Access], tmp_path: Path
) -> None:
    (tmp_path / ".files").mkdir()
    shelf = AdapterShelf(tmp_path, lambda where: origin_of(where, access[1]), lambda: 0.0)
    assert await shelf.fetched("12ab34cd", SOURCE) == COMMIT
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "12ab34cd" / name).read_bytes() == (EXAMPLE / name).read_bytes()


async def test_a_file_that_stays_damaged_is_never_given_to_the_engine(
    access: tuple[FakeHub, Access], tmp_path: Path
) -> None:
    hub, reach = access
    hub.faults["adapter_model.safetensors"] = Fault(flips_a_bit=True)
    (tmp_path / ".files").mkdir()
    shelf = AdapterShelf(tmp_path, lambda where: origin_of(where, reach), lambda: 0.0)
    with pytest.raises(TierwiseError):
        await shelf.fetched("12ab34cd", SOURCE)
    assert not (tmp_path / "12ab34cd").exists()
