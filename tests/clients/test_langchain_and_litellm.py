"""Two libraries that many applications stand on talk to the router as to OpenAI."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from client_drives import Driven

Drive = Callable[..., Driven]

LANGCHAIN = "langchain_chat.py"
LITELLM = "litellm_chat.py"


@pytest.mark.parametrize(
    ("case", "got"),
    [
        ("invoked", ["abcd", True]),
        ("auto", "abcd"),
        ("streamed", ["abcd", 1]),
        ("batched", ["abcd"]),
        ("tool", ["set_order", {"order": "ascending"}]),
        ("structured", "ascending"),
        ("completion", "abcd"),
    ],
)
def test_langchain_gets_what_it_asks_for(drive: Drive, case: str, got: Any) -> None:
    assert drive(LANGCHAIN).got(case) == got


@pytest.mark.parametrize(
    ("case", "kind", "status"),
    [
        ("error_unknown_model", "OpenAIModelNotFoundError", 404),
        ("error_nobody_sure", "UnprocessableEntityError", 422),
    ],
)
def test_langchain_raises_openai_s_errors(drive: Drive, case: str, kind: str, status: int) -> None:
    assert drive(LANGCHAIN).error(case)[:2] == (kind, status)


@pytest.mark.parametrize(
    ("case", "got"),
    [
        ("chat", ["abcd", True]),
        ("auto", "abcd"),
        ("streamed", "abcd"),
        ("streamed_async", "abcd"),
        ("structured", '{"order":"ascending"}'),
        ("completion", "abcd"),
    ],
)
def test_litellm_gets_what_it_asks_for(drive: Drive, case: str, got: Any) -> None:
    assert drive(LITELLM).got(case) == got


def test_litellm_has_its_tool_called(drive: Drive) -> None:
    name, arguments = drive(LITELLM).got("tool")

    assert (name, json.loads(arguments)) == ("set_order", {"order": "ascending"})


@pytest.mark.parametrize(
    ("case", "kind", "status"),
    [
        ("error_unknown_model", "NotFoundError", 404),
        ("error_nobody_sure", "UnprocessableEntityError", 422),
    ],
)
def test_litellm_raises_its_own_errors(drive: Drive, case: str, kind: str, status: int) -> None:
    found, code, _, words = drive(LITELLM).error(case)

    assert code == status
    assert words
    assert found in {kind, "BadRequestError", "APIError"}
