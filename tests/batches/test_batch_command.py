"""`tierwise batch` against a running router."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import Result
from dispatchers import route
from fake_engine import FakeEngine, Script, answers, refuses
from offices import Office, chat_line, jsonl
from typer.testing import CliRunner

from tierwise_cli.main import app

Engine = Callable[[Script], Awaitable[FakeEngine]]
Offices = Callable[..., Awaitable[Office]]


@pytest.fixture(autouse=True)
def _logs_apart() -> Iterator[None]:
    """Keep the router's log lines out of what the command prints: both run in this process."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.reset_defaults()


async def batch(desk: Office, *arguments: str) -> Result:
    environment = {"TIERWISE_URL": desk.running.url, "NO_COLOR": "1", "COLUMNS": "120"}
    return await asyncio.to_thread(CliRunner().invoke, app, ["batch", *arguments], env=environment)


async def test_a_file_is_submitted_watched_and_fetched(
    engine: Engine, office: Offices, tmp_path: Path
) -> None:
    upstream = await engine(answers("abcd"))
    desk = await office(route("sorter", upstream.url))
    file, saved = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    file.write_bytes(jsonl(chat_line(f"q-{n}") for n in range(3)))

    sent = await batch(desk, "submit", str(file), "--metadata", "team=a", "--watch", "-o", "json")

    assert sent.exit_code == 0, sent.output
    ended = json.loads(sent.stdout)
    assert (ended["status"], ended["metadata"]) == ("completed", {"team": "a"})
    fetched = await batch(desk, "results", ended["id"], "--to", str(saved))
    assert fetched.exit_code == 0, fetched.output
    assert {json.loads(line)["custom_id"] for line in saved.read_text().splitlines()} == {
        "q-0", "q-1", "q-2",
    }  # fmt: skip
    listed = await batch(desk, "list")
    assert listed.stdout.splitlines()[1].split()[:5] == [ended["id"], "completed", "3", "0", "3"]


async def test_a_batch_that_failed_says_which_line_and_exits_with_1(
    office: Offices, tmp_path: Path
) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"))
    file = tmp_path / "garbage.jsonl"
    file.write_text("{\n")

    told = await batch(desk, "submit", str(file), "--watch")

    assert told.exit_code == 1
    assert "line 1: the line is not valid JSON" in told.stdout


async def test_errors_are_fetched_on_their_own(
    engine: Engine, office: Offices, tmp_path: Path
) -> None:
    upstream = await engine(refuses(400, "too long"))
    desk = await office(route("sorter", upstream.url))
    file = tmp_path / "in.jsonl"
    file.write_bytes(jsonl([chat_line("a")]))

    told = await batch(desk, "submit", str(file), "--watch")

    assert "0 of 1 answered, 1 failed" in told.stdout
    name = told.stdout.split()[0]
    errors = await batch(desk, "results", name, "--errors")
    assert json.loads(errors.stdout)["response"]["status_code"] == 400


async def test_what_does_not_exist_is_named_with_what_to_do(office: Offices) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"))

    unknown = await batch(desk, "cancel", "batch_nothing")
    missing = await batch(desk, "submit", "/nonexistent.jsonl")
    odd = await batch(desk, "submit", "/nonexistent.jsonl", "--metadata", "team")

    assert unknown.exit_code == 1
    assert "GET /v1/batches lists yours" in unknown.stderr
    assert "cannot be read" in missing.stderr
    assert "write NAME=VALUE" in odd.stderr
