"""The official Python client finds behind the router what it would find at OpenAI."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from client_drives import Driven

Drive = Callable[..., Driven]

DRIVER = "openai_python.py"
BUSY = "openai_busy.py"
MORE = ("openai_more.py", "", "team-key")


@pytest.mark.parametrize(
    ("case", "got"),
    [
        (
            "chat",
            {"text": "abcd", "finish": "stop", "total": True, "specialist": "demo/sorter"},
        ),
        ("chat_auto", "abcd"),
        ("stream", {"text": "abcd", "finish": "stop", "usage": None}),
        ("stream_auto", {"text": "abcd", "finish": "stop", "usage": True}),
        ("stream_with_usage", {"text": "abcd", "finish": "stop", "usage": True}),
        ("stream_async", "abcd"),
        ("many_at_once", ["abcd"]),
        ("structured", "ascending"),
        ("logprobs", ["abcd", 2]),
        ("several_choices", [0, 1]),
        ("completion", "abcd"),
        ("models", [["auto", "absent", "sorter"], "sorter"]),
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
    ("case", "error", "words"),
    [
        ("unknown_model", ("NotFoundError", 404, "model_not_found"), "demo/absent, demo/sorter"),
        ("of_the_engine", ("BadRequestError", 400, 400), "must be non-negative"),
        ("of_the_router", ("BadRequestError", 400, "invalid_type"), "at least one message"),
        ("nobody_sure", ("UnprocessableEntityError", 422, "abstained"), "no Specialist"),
    ],
)
def test_it_raises_its_own_errors(
    drive: Drive, case: str, error: tuple[str, int, str | int], words: str
) -> None:
    raised = drive(DRIVER).error(f"error_{case}")

    assert raised[:3] == error
    assert words in raised[3]


def test_an_engine_stops_when_it_stops_listening(drive: Drive) -> None:
    driven = drive(DRIVER, "cancelled")

    assert driven.got("cancelled") == 1
    assert driven.stopped


@pytest.mark.parametrize(
    ("case", "kind", "status"),
    [
        ("error_unauthorized", "AuthenticationError", 401),
        ("error_too_many", "RateLimitError", 429),
        ("error_no_pod", "InternalServerError", 503),
    ],
)
def test_it_raises_what_the_engine_refuses(
    drive_the_fake: Drive, case: str, kind: str, status: int
) -> None:
    assert drive_the_fake(BUSY).error(case)[:2] == (kind, status)


def test_it_comes_back_when_it_is_told_to(drive_the_fake: Drive) -> None:
    assert drive_the_fake(BUSY).got("repeated_after_too_many") == "abcd"


def test_a_torn_stream_is_an_error_and_no_short_answer(drive_the_fake: Drive) -> None:
    kind, _, code, _ = drive_the_fake(BUSY).error("error_in_a_stream")

    assert (kind, code) == ("APIError", "upstream_unavailable")


@pytest.mark.parametrize(
    ("case", "got"),
    [
        ("response", ["abcd", 4, "demo/sorter"]),
        ("response_streamed", ["abcd", "response.completed"]),
        ("embeddings", [[[3.0, 0.5, -0.25], [5.0, 0.5, -0.25]], [3.0, 0.5, -0.25]]),
        ("known", "abcd"),
    ],
)
def test_beyond_chat_it_gets_what_it_asks_for(drive_the_fake: Drive, case: str, got: Any) -> None:
    assert drive_the_fake(*MORE).got(case) == got


@pytest.mark.parametrize("case", ["error_stranger", "error_stranger_lists"])
def test_a_key_that_no_tenant_has_is_its_own_error(drive_the_fake: Drive, case: str) -> None:
    kind, status, code, words = drive_the_fake(*MORE).error(case)

    assert (kind, status, code) == ("AuthenticationError", 401, "invalid_api_key")
    assert "the API key is not known here" in words
