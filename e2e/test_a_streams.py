"""A cascade streams across two tiers, and says nothing where nobody is sure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
from cluster import Cluster


@dataclass(frozen=True)
class Told:
    """A stream as its client saw it."""

    headers: httpx.Headers
    comments: list[str]
    text: str
    ends: int
    usage: Any


def stream(cluster: Cluster, question: str) -> Told:
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    reply = httpx.post(f"{cluster.url}/v1/chat/completions", json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    blocks = [block for block in reply.text.split("\n\n") if block]
    data = [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]
    events = [json.loads(one) for one in data if one != "[DONE]"]
    choices = [choice for event in events for choice in event["choices"]]
    return Told(
        reply.headers,
        [block.removeprefix(": ") for block in blocks if block.startswith(": ")],
        "".join(choice["delta"].get("content") or "" for choice in choices),
        data.count("[DONE]"),
        events[-1].get("usage"),
    )


def test_a_stream_is_escalated_across_two_tiers_until_somebody_is_sure(cluster: Cluster) -> None:
    # The sorter takes letters of this wording along, and its tokens show that it doubts them.
    told = stream(cluster, "feci in alphabetical order?")

    assert told.text == "cefi"
    assert told.ends == 1
    assert told.headers["x-tierwise-specialist"] == "default/frontier"
    assert told.headers["x-tierwise-tier"] == "h100"
    assert told.comments[0].startswith("escalated sorter@rtx-4090 -> ")
    assert " -> frontier@h100 (0." in told.comments[-2]
    assert told.comments[-1].startswith("answered frontier@h100=0.9")
    # What is billed is the answer that was accepted: four letters and the end.
    assert told.usage["completion_tokens"] == 5


def test_a_sure_specialist_streams_alone(cluster: Cluster) -> None:
    told = stream(cluster, "sort jihgfedcba")

    assert told.text == "abcdefghij"
    assert told.ends == 1
    assert told.headers["x-tierwise-specialist"] == "default/sorter"
    (last,) = told.comments
    assert last.startswith("answered sorter@rtx-4090=0.9")


def test_nobody_sure_is_a_refusal_and_no_stream(cluster: Cluster) -> None:
    question = "can you sort all the letters of the word tisurevef!"
    body = {"model": "auto", "messages": [{"role": "user", "content": question}], "temperature": 0}

    for asked in (body, {**body, "stream": True}):
        reply = httpx.post(f"{cluster.url}/v1/chat/completions", json=asked, timeout=60)

        assert reply.status_code == 422, reply.text
        error = reply.json()["error"]
        assert error["type"] == "abstained"
        assert error["path"][0]["specialist"] == "default/sorter"
        assert "default/frontier" in {step["specialist"] for step in error["path"]}


def test_what_is_too_long_for_one_model_is_a_bad_request_in_numbers(cluster: Cluster) -> None:
    body = {
        "model": "sorter",
        "messages": [{"role": "user", "content": "sort " + "dbca" * 80}],
    }

    reply = httpx.post(f"{cluster.url}/v1/chat/completions", json=body, timeout=60)

    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "327 prompt tokens" in error["message"]
