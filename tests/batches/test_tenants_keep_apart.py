"""Each tenant sees its own files and batches, and its batches are answered as its own requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import openai
import pytest
from dispatchers import route
from fake_engine import FakeEngine, Script, answers
from offices import Office, chat_line, jsonl

from tierwise_core.tenant import TenantRoute

Engine = Callable[[Script], Awaitable[FakeEngine]]
Offices = Callable[..., Awaitable[Office]]


def tenant(name: str, **changes: Any) -> TenantRoute:
    return TenantRoute("demo", name, (sha256(f"key-of-{name}".encode()).hexdigest(),), **changes)


async def test_what_belongs_to_another_does_not_exist(engine: Engine, office: Offices) -> None:
    upstream = await engine(answers("abcd"))
    both = [tenant("a"), tenant("b", specialists=("demo/other",))]
    desk = await office(route("sorter", upstream.url), tenants=both)
    mine, theirs = (desk.openai.with_options(api_key=f"key-of-{name}") for name in "ab")
    desk.openai = mine
    done = await desk.ended((await desk.submit(jsonl([chat_line("q")]))).id)

    assert (done.status, done.request_counts.completed) == ("completed", 1)
    for hidden in (done.input_file_id, done.output_file_id):
        with pytest.raises(openai.NotFoundError):
            await theirs.files.retrieve(hidden)
    with pytest.raises(openai.NotFoundError):
        await theirs.batches.cancel(done.id)
    assert [one.id async for one in await theirs.batches.list()] == []
    assert [one.id async for one in await theirs.files.list()] == []


async def test_a_line_may_ask_only_whom_its_tenant_may_ask(engine: Engine, office: Offices) -> None:
    upstream = await engine(answers("abcd"))
    desk = await office(
        route("sorter", upstream.url), tenants=[tenant("b", specialists=("demo/other",))]
    )
    desk.openai = desk.openai.with_options(api_key="key-of-b")

    done = await desk.ended((await desk.submit(jsonl([chat_line("q")]))).id)

    (line,) = await desk.lines_of(done.error_file_id)
    assert line["response"]["status_code"] in {403, 404}
    assert not upstream.requests


async def test_without_a_key_nothing_is_taken(office: Offices) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"), tenants=[tenant("a")])

    with pytest.raises(openai.AuthenticationError):
        await desk.openai.batches.list()
    with pytest.raises(openai.AuthenticationError):
        await desk.openai.files.create(file=("a", b"{}"), purpose="batch")
