"""Whoever learns that an answer is complete finds its record in the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from dispatchers import Running, general, route
from instant_engine import instant_engine

from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail

MESSAGES = [{"role": "user", "content": "sort dbca"}]


async def written_at_the_end(running: Running, folder: Path, body: dict[str, Any]) -> list[Any]:
    """Ask; tell what the journal has when the last bytes are about to go out."""
    sent, found = False, []

    async def receive() -> dict[str, Any]:
        nonlocal sent
        assert not sent
        sent = True
        return {"type": "http.request", "body": orjson.dumps(body), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            found.extend(tail(folder, Marks()))

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    await running.app({**scope, "query_string": b""}, receive, send)
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["auto", "sorter"])
async def test_a_record_is_written_before_its_answer_ends(
    tmp_path: Path, model: str, *, stream: bool
) -> None:
    async with instant_engine() as url:
        running = await Running.start(route("sorter", url), general("frontier", url))
        journal = running.dispatcher.journal = Journal(tmp_path, "abc", 1 << 30)
        journal.start(in_turn=True)
        try:
            body = {"model": model, "messages": MESSAGES, "stream": stream}
            written = await written_at_the_end(running, tmp_path, body)
        finally:
            await running.stop()
            journal.close()

    assert [row["status"] for row in written] == [200]
    assert written[0]["steps"][0]["seconds"] > 0
    assert len(list(tail(tmp_path, Marks()))) == 1
