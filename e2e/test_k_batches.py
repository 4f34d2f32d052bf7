"""Batches on real models: a router pod is killed in the middle, and another one ends the work."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, eventually
from openai import OpenAI

ENDED = {"completed", "failed", "expired", "cancelled"}
LETTERS = "abcdefgh"
COUNT = 480
"""So many that the pod is gone before they are answered, also where kubectl takes its time."""


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[OpenAI]:
    cluster.wait_for_router()
    with OpenAI(base_url=f"{cluster.url}/v1", api_key="none", max_retries=5) as found:
        yield found


def word(number: int) -> str:
    """Eight letters in an order of their own for each number."""
    turned = LETTERS[number % 8 :] + LETTERS[: number % 8]
    return turned if number % 2 else turned[::-1]


def lines(count: int) -> bytes:
    def line(number: int) -> str:
        question = {"role": "user", "content": f"sort {word(number)}"}
        body = {"model": "sorter", "messages": [question], "temperature": 0}
        head = {"custom_id": f"q-{number}", "method": "POST", "url": "/v1/chat/completions"}
        return json.dumps({**head, "body": body})

    return "".join(f"{line(number)}\n" for number in range(count)).encode()


def worker(cluster: Cluster, batch_id: str) -> str:
    """The router pod that said last that it works on the batch."""

    def looked() -> str:
        said: dict[str, str] = {}
        for pod in cluster.names("pods", "app.kubernetes.io/component=router", "tierwise-system"):
            for line in cluster.log(pod, "-n", "tierwise-system").splitlines():
                if "working on job" in line and batch_id in line:
                    said[json.loads(line)["timestamp"]] = pod
        return said[max(said)] if said else ""

    return eventually(looked, bool)


def test_a_batch_survives_the_pod_that_works_on_it(cluster: Cluster, client: OpenAI) -> None:
    stored = client.files.create(file=("sort.jsonl", lines(COUNT)), purpose="batch")
    batch = client.batches.create(
        input_file_id=stored.id, endpoint="/v1/chat/completions", completion_window="24h"
    )

    def answered() -> int:
        counts = client.batches.retrieve(batch.id).request_counts
        return counts.completed if counts else 0

    pod = worker(cluster, batch.id)
    eventually(answered, lambda count: count > 5)
    force = ("--grace-period=0", "--force")
    cluster.kubectl("delete", "pod", pod, "-n", "tierwise-system", *force)
    done = eventually(lambda: client.batches.retrieve(batch.id), lambda seen: seen.status in ENDED)

    assert done.status == "completed"
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed) == (COUNT, COUNT)
    assert done.output_file_id is not None
    told = [
        json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()
    ]
    assert sorted(one["custom_id"] for one in told) == sorted(f"q-{n}" for n in range(COUNT))
    assert {text(one) for one in told} == {LETTERS}
    assert worker(cluster, batch.id) != pod
    cluster.wait_for_router()


def text(line: dict[str, Any]) -> str:
    return str(line["response"]["body"]["choices"][0]["message"]["content"])


def test_the_command_watches_a_batch(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_bytes(lines(8))

    told = cluster.tierwise("batch", "submit", str(file), "--watch", "--output", "json")

    assert told.returncode == 0, told.stdout + told.stderr
    batch = json.loads(told.stdout)
    fetched = cluster.tierwise("batch", "results", batch["id"])
    assert {text(json.loads(line)) for line in fetched.stdout.splitlines()} == {LETTERS}


def test_a_request_in_background_is_answered_by_auto(cluster: Cluster, client: OpenAI) -> None:
    taken = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": "sort dbca"}],
        extra_headers={"x-tierwise-latency-class": "background"},
    )
    assert taken.status_code == 202
    where = taken.headers["location"].removeprefix("/v1")

    def fetched() -> dict[str, Any]:
        return dict(client.get(where, cast_to=dict[str, Any]))

    told = eventually(fetched, lambda seen: seen["status"] == "completed")

    assert told["response"]["body"]["choices"][0]["message"]["content"] == "abcd"
    assert told["tierwise"]["specialist"] == "default/sorter"
