"""The official JavaScript client finds behind the router what it would find at OpenAI."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from client_drives import Driven

Drive = Callable[..., Driven]

DRIVER = "openai_javascript.cjs"


@pytest.mark.parametrize(
    ("case", "got"),
    [
        ("chat", {"text": "abcd", "specialist": "demo/sorter"}),
        ("chat_auto", "abcd"),
        ("stream", {"text": "abcd", "finish": "stop", "usage": None}),
        ("stream_auto", {"text": "abcd", "finish": "stop", "usage": True}),
        ("completion", "abcd"),
        ("models", ["auto", "absent", "sorter"]),
        ("structured", '{"order":"ascending"}'),
    ],
)
def test_it_gets_what_it_asks_for(drive: Drive, case: str, got: Any) -> None:
    assert drive(DRIVER).got(case) == got


@pytest.mark.parametrize("case", ["tool", "tool_streamed"])
def test_it_has_its_tool_called(drive: Drive, case: str) -> None:
    name, arguments = drive(DRIVER).got(case)

    assert name == "set_order"
    assert json.loads(arguments) == {"order": "ascending"}


@pytest.mark.parametrize(
    ("case", "kind", "status", "code"),
    [
        ("error_unknown_model", "NotFoundError", 404, "model_not_found"),
        ("error_of_the_engine", "BadRequestError", 400, 400),
        ("error_nobody_sure", "UnprocessableEntityError", 422, "abstained"),
    ],
)
def test_it_throws_its_own_errors(
    drive: Drive, case: str, kind: str, status: int, code: str | int
) -> None:
    assert drive(DRIVER).error(case)[:3] == (kind, status, code)


def test_an_engine_stops_when_it_stops_listening(drive: Drive) -> None:
    driven = drive(DRIVER, "cancelled")

    assert driven.got("cancelled") == 1
    assert driven.stopped
