"""schemathesis asks everything that the published document allows, and much that it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from client_drives import run as run_client
from dispatchers import Running, general, route, until
from fake_engine import FakeEngine, Script
from openai_engine import OpenAIEngine
from raw_http import nothing_is_left

import clientenv
from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

# What is right and what is wrong beyond the schema is for the engine to say; ours takes everything.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method"
)
LONGEST_S = 25
# They go the way of /v1/embeddings; test_fuzzed_bytes asks them as well.
ALIKE = "rerank|score|scoring|moderations|messages|audio|images|render|embed$|pooling|/classify|tok"
MODELS = {"enum": ["auto", "sorter", "frontier"]}


@pytest.fixture
async def router(engine: Engine, run: Run, tmp_path: Path) -> Running:
    pod, frontier = await engine(OpenAIEngine()), await engine(OpenAIEngine())
    settings = Settings(files_dir=str(tmp_path / "files"))
    routes = route("sorter", pod.url), general("frontier", frontier.url)
    return await run(*routes, settings=settings)


async def published(router: Running, folder: Path) -> str:
    """What the router publishes, with the models that there are."""
    document = (await router.client.get("/openapi.json")).json()
    for schema in document["components"]["schemas"].values():
        if "model" in schema.get("properties", {}):
            schema["properties"]["model"] = MODELS
    file = folder / "openapi.json"
    file.write_bytes(orjson.dumps(document))
    return str(file)


async def fuzz(router: Running, document: str, *options: str) -> str:
    """Let schemathesis ask; fails with its report when it finds something."""
    command = [
        *(str(clientenv.ensure().programs / "schemathesis"), "run", document),
        *("--url", router.url, "--seed", "20261122", "--no-color", "--warnings", "off"),
        *("--generation-database", "none", "--max-time", str(LONGEST_S)),
        *("--request-timeout", "10", "--continue-on-failure", *options),
    ]
    printed = await run_client(command, router.url, folder=Path(document).parent)
    await router.client.aclose()
    await nothing_is_left(router)
    return printed


def tasks_of_the_router() -> int:
    """All but the pods': their connections stay in the router's pool, as they should."""
    return sum(FakeEngine.__name__ not in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_nothing_that_may_be_asked_ends_in_a_fault(router: Running, tmp_path: Path) -> None:
    before = tasks_of_the_router()

    document = await published(router, tmp_path)
    some = ("--exclude-path-regex", ALIKE, "--phases", "fuzzing", "--max-examples", "6")
    printed = await fuzz(router, document, *some, "--checks", CHECKS)

    assert " passed" in printed
    await until(lambda: tasks_of_the_router() <= before)


async def test_a_query_that_is_not_as_published_is_refused(router: Running, tmp_path: Path) -> None:
    document = await published(router, tmp_path)

    checks = f"{CHECKS},negative_data_rejection"
    some = ("--include-path", "/query", "--phases", "coverage,fuzzing", "--max-examples", "25")
    printed = await fuzz(router, document, *some, "--checks", checks)

    assert " passed" in printed
