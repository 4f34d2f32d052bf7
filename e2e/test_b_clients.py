"""The clients that people have, against the router of the cluster and its real models."""

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
from client_drives import told_by
from cluster import Cluster

Told = Callable[[str], Mapping[str, Mapping[str, Any]]]

PYTHON = "openai_python.py"
JAVASCRIPT = "openai_javascript.cjs"
LANGCHAIN = "langchain_chat.py"
LITELLM = "litellm_chat.py"
STREAMED = {"text": "abcd", "finish": "stop", "usage": True}


@pytest.fixture(scope="module")
def told(cluster: Cluster) -> Told:
    """What a client was told, each case of it; every client runs once."""
    return cache(lambda name: asyncio.run(told_by(name, cluster.url)))


@pytest.mark.parametrize(
    ("client", "case", "got"),
    [
        (PYTHON, "chat_auto", "abcd"),
        (PYTHON, "stream_auto", STREAMED),
        (PYTHON, "stream_async", "abcd"),
        (PYTHON, "many_at_once", ["abcd"]),
        (PYTHON, "structured", "ascending"),
        (PYTHON, "logprobs", ["abcd", 2]),
        (PYTHON, "completion", "abcd"),
        (JAVASCRIPT, "chat", {"text": "abcd", "specialist": "default/sorter"}),
        (JAVASCRIPT, "stream_auto", STREAMED),
        (JAVASCRIPT, "structured", '{"order":"ascending"}'),
        (LANGCHAIN, "auto", "abcd"),
        (LANGCHAIN, "batched", ["abcd"]),
        (LANGCHAIN, "structured", "ascending"),
        (LITELLM, "auto", "abcd"),
        (LITELLM, "streamed", "abcd"),
    ],
)
def test_a_client_gets_what_it_asks_for(told: Told, client: str, case: str, got: Any) -> None:
    line = told(client)[case]

    assert line.get("got") == got, line


@pytest.mark.parametrize(
    ("client", "case", "kind", "status"),
    [
        (PYTHON, "error_unknown_model", "NotFoundError", 404),
        (PYTHON, "error_of_the_engine", "BadRequestError", 400),
        (PYTHON, "error_of_the_router", "BadRequestError", 400),
        # The example engines were started without a parser for tools, and say so themselves.
        (PYTHON, "tool", "BadRequestError", 400),
        (JAVASCRIPT, "error_unknown_model", "NotFoundError", 404),
        (LITELLM, "error_unknown_model", "NotFoundError", 404),
    ],
)
def test_a_client_raises_its_own_error(
    told: Told, client: str, case: str, kind: str, status: int
) -> None:
    line = told(client)[case]

    assert (line.get("error"), line.get("status")) == (kind, status), line
