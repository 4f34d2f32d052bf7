"""The published document says what is served, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from dispatchers import Running, route
from jsonschema import Draft202012Validator

from tierwise_router.app import App
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.openapi import document
from tierwise_router.openapi.__main__ import main
from tierwise_router.settings import Settings

Run = Callable[..., Awaitable[Running]]

ROOT = Path(__file__).parents[2]
PATHS: dict[str, dict[str, Any]] = document()["paths"]


async def test_every_path_that_is_served_is_published_and_the_other_way_round() -> None:
    served = App(Dispatcher.create(Settings())).served()

    assert {(method, path) for path, methods in PATHS.items() for method in methods} == served


async def test_it_is_served_as_it_lies_in_the_repository(run: Run) -> None:
    router = await run(route("sorter"))

    reply = await router.client.get("/openapi.json")

    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == orjson.loads((ROOT / "docs/reference/openapi.json").read_bytes())


@pytest.mark.parametrize("path", PATHS)
async def test_a_published_path_is_not_unknown(run: Run, path: str) -> None:
    router = await run(route("sorter"))

    for method in PATHS[path]:
        reply = await router.client.request(method, re.sub(r"\{\w+\}", "x", path))
        assert '"unknown_path"' not in reply.text
        assert reply.status_code != 405


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_refused_by_the_names_of_those_there_are(
    run: Run, path: str
) -> None:
    router = await run(route("sorter"))

    reply = await router.client.request("PATCH", re.sub(r"\{\w+\}", "x", path))

    assert reply.status_code == 405
    allowed = {name.strip().lower() for name in reply.headers["allow"].split(",")}
    assert allowed - {"head"} == set(PATHS[path])


def test_its_schemas_are_schemas_and_what_they_refer_to_is_there() -> None:
    published = document()

    for schema in published["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in set(re.findall(r'"#/([^"]+)"', orjson.dumps(published).decode())):
        found: Any = published
        for name in reference.split("/"):
            found = found[name]
        assert found


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [one["operationId"] for methods in PATHS.values() for one in methods.values()]

    assert len(names) == len(set(names))


def test_what_differs_on_disk_is_found_and_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    assert main(["--check", str(tmp_path)]) == 1
    assert "make generate" in capsys.readouterr().err

    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
