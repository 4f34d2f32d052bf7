"""OpenAI's own client uploads, runs, lists, cancels and fetches batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import openai
import pytest
from dispatchers import route
from fake_engine import FakeEngine, Script, Turn, answers, refuses
from offices import Office, chat_line, jsonl, patiently

Engine = Callable[[Script], Awaitable[FakeEngine]]
Offices = Callable[..., Awaitable[Office]]


async def test_a_batch_is_answered_line_by_line(engine: Engine, office: Offices) -> None:
    upstream = await engine(answers("abcd"))
    desk = await office(route("sorter", upstream.url))

    batch = await desk.submit(jsonl(chat_line(f"q-{n}") for n in range(20)), metadata={"team": "a"})
    assert batch.status == "validating"
    done = await desk.ended(batch.id)

    assert (done.status, done.metadata) == ("completed", {"team": "a"})
    assert (done.request_counts.total, done.request_counts.completed) == (20, 20)
    assert done.error_file_id is None
    lines = await desk.lines_of(done.output_file_id)
    assert sorted(line["custom_id"] for line in lines) == sorted(f"q-{n}" for n in range(20))
    assert lines[0]["response"]["body"]["choices"][0]["message"]["content"] == "abcd"
    assert lines[0]["tierwise"]["specialist"] == "demo/sorter"
    assert len(upstream.requests) == 20


async def test_refused_lines_are_in_the_error_file(engine: Engine, office: Offices) -> None:
    upstream = await engine(refuses(400, "too long"))
    desk = await office(route("sorter", upstream.url))

    batch = await desk.submit(jsonl([chat_line("a"), chat_line("b", model="nobody")]))
    done = await desk.ended(batch.id)

    assert (done.status, done.request_counts.failed) == ("completed", 2)
    assert done.output_file_id is None
    lines = {line["custom_id"]: line for line in await desk.lines_of(done.error_file_id)}
    assert lines["a"]["response"]["status_code"] == 400
    assert lines["b"]["response"]["body"]["error"]["code"] == "model_not_found"


async def test_wrong_lines_fail_the_batch_and_are_named(engine: Engine, office: Offices) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"))
    lines = [
        jsonl([chat_line("a")]),
        b"{garbage\n",
        b"\n",
        jsonl([chat_line("a"), {**chat_line("c"), "url": "/v1/embeddings"}, 7]),
        jsonl([{**chat_line("d"), "body": {"stream": True}}, {**chat_line(""), "method": "GET"}]),
    ]

    done = await desk.ended((await desk.submit(b"".join(lines))).id)

    assert done.status == "failed"
    assert [(error.line, error.code) for error in done.errors.data] == [
        (2, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "mismatched_url"),
        (6, "invalid_json_line"),
        (7, "invalid_body"),
        (8, "invalid_custom_id"),
    ]
    assert "give each line one of its own" in done.errors.data[1].message


async def test_a_line_without_room_is_tried_again(engine: Engine, office: Offices) -> None:
    async def script(turn: Turn) -> None:
        busy = len(upstream.requests) <= 2
        await (refuses(429, "busy", "retry-after: 0\r\n") if busy else answers("abcd"))(turn)

    upstream = await engine(script)
    desk = await office(route("sorter", upstream.url))

    done = await desk.ended((await desk.submit(jsonl([chat_line("a")]))).id)

    assert done.request_counts.completed == 1
    assert len(upstream.requests) == 3


async def test_a_line_that_no_try_can_better_is_not_tried_again(
    engine: Engine, office: Offices
) -> None:
    upstream = await engine(
        refuses(429, "the budget begins anew at 00:00", "retry-after: 7200\r\n")
    )
    desk = await office(route("sorter", upstream.url))

    done = await desk.ended((await desk.submit(jsonl([chat_line("a")]))).id)

    assert (done.request_counts.completed, done.request_counts.failed) == (0, 1)
    assert len(upstream.requests) == 1
    (line,) = await desk.lines_of(done.error_file_id)
    assert line["response"]["status_code"] == 429


async def test_a_cancelled_batch_keeps_what_it_has(engine: Engine, office: Offices) -> None:
    async def script(turn: Turn) -> None:
        if "first" in turn.request.body.decode():
            await answers("abcd")(turn)
        else:
            await asyncio.Event().wait()

    upstream = await engine(script)
    desk = await office(route("sorter", upstream.url))
    batch = await desk.submit(jsonl([chat_line("a", "first"), chat_line("b"), chat_line("c")]))

    async def one_is_done() -> bool:
        counts = (await desk.openai.batches.retrieve(batch.id)).request_counts
        return bool(counts.completed == 1)

    await patiently(one_is_done)
    assert (await desk.openai.batches.cancel(batch.id)).status == "cancelling"
    done = await desk.ended(batch.id)

    assert (done.status, done.request_counts.completed) == ("cancelled", 1)
    assert [line["custom_id"] for line in await desk.lines_of(done.output_file_id)] == ["a"]
    undone = await desk.lines_of(done.error_file_id)
    assert {line["error"]["code"] for line in undone} == {"batch_cancelled"}


async def test_batches_and_files_are_listed_page_by_page(engine: Engine, office: Offices) -> None:
    upstream = await engine(answers("abcd"))
    desk = await office(route("sorter", upstream.url))
    made = [(await desk.submit(jsonl([chat_line("a")]))).id for _ in range(3)]

    assert [batch.id async for batch in await desk.openai.batches.list(limit=1)] == made[::-1]
    files = [file async for file in await desk.openai.files.list(limit=2, purpose="batch")]
    assert len(files) == 3
    assert files[0].filename == "in.jsonl"


async def test_files_are_told_of_sent_back_and_removed(office: Offices) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"))
    content = b"{}\n" * 200_000
    stored = await desk.openai.files.create(file=("big.jsonl", content), purpose="batch")

    assert stored.bytes == len(content)
    assert (await desk.openai.files.retrieve(stored.id)).status == "processed"
    assert (await desk.openai.files.content(stored.id)).content == content
    assert (await desk.openai.files.delete(stored.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await desk.openai.files.retrieve(stored.id)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"endpoint": "/v1/images"}, "/v1/embeddings"),
        ({"completion_window": "soon"}, "'24h'"),
        ({"input_file_id": "file-../../etc"}, "upload it with POST /v1/files"),
        ({"metadata": {"a": 1}}, "pairs of strings"),
        ({"extra": 1}, "leave it out"),
    ],
)
async def test_a_wrong_batch_is_refused_with_what_would_be_right(
    office: Offices, fields: dict[str, object], word: str
) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"))
    stored = await desk.openai.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")
    right = {
        "input_file_id": stored.id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }

    refused = await desk.running.client.post("/v1/batches", json={**right, **fields})

    assert refused.status_code in {400, 404}
    assert word in refused.json()["error"]["message"]
