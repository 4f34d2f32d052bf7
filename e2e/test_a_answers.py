"""After `make up`, real models on the right tiers answer real questions."""

import json
import re

import httpx
import pytest
from cluster import ROOT, Cluster, answer

TIERS = {
    "sorter": "rtx-4090",
    "reverser": "rtx-4090",
    "adder": "rtx-4090",
    "generalist": "rtx-4090",
    "frontier": "h100",
}


@pytest.mark.parametrize(("name", "tier"), TIERS.items())
def test_a_model_runs_on_the_cheapest_tier_its_memory_fits(
    cluster: Cluster, name: str, tier: str
) -> None:
    status = cluster.get("specialist", name)["status"]

    assert cluster.condition(name, "Ready")["status"] == "True"
    assert status["placement"]["tier"] == tier
    assert status["endpoints"]


def test_the_pod_runs_on_a_node_of_its_tier_and_holds_its_gpu(cluster: Cluster) -> None:
    pods = json.loads(
        cluster.kubectl("get", "pods", "-l", "tierwise.dev/specialist=frontier", "-o", "json")
    )["items"]

    assert [pod["spec"]["nodeName"] for pod in pods] == ["gpu-h100-0"]
    engine = pods[0]["spec"]["containers"][0]
    assert engine["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_memory_breakdown_adds_up_and_fits(cluster: Cluster) -> None:
    memory = cluster.get("specialist", "frontier")["status"]["placement"]["memory"]
    parts = ("weightsBytes", "kvCacheBytes", "activationBytes", "overheadBytes")

    assert sum(memory[part] for part in parts) == memory["totalBytesPerGPU"]
    assert memory["totalBytesPerGPU"] <= memory["usableBytesPerGPU"]
    assert memory["totalBytesPerGPU"] > 24 * 2**30  # why the 4090 could not hold it


def test_tiers_count_their_nodes_and_gpus(cluster: Cluster) -> None:
    tier = cluster.get("gputier", "rtx-4090")["status"]

    assert tier["nodes"] == 1
    assert tier["gpus"]["capacity"] == 4
    assert tier["gpus"]["allocated"] + tier["gpus"]["free"] == 4


@pytest.mark.parametrize(
    ("name", "question", "right"),
    [
        ("sorter", "sort dbca", "abcd"),
        ("reverser", "reverse abcdef", "fedcba"),
        ("adder", "add 17 and 25", "42"),
        ("frontier", "uppercase hello", "HELLO"),
    ],
)
def test_a_specialist_asked_by_name_answers_its_field(
    cluster: Cluster, name: str, question: str, right: str
) -> None:
    response = cluster.ask(question, model=name)

    assert answer(response) == right
    assert response.headers["x-tierwise-specialist"] == f"default/{name}"


@pytest.mark.parametrize(
    ("question", "right", "name"),
    [
        ("sort dbca", "abcd", "sorter"),
        ("reverse abcdef", "fedcba", "reverser"),
        ("add 17 and 25", "42", "adder"),
    ],
)
def test_auto_finds_the_right_specialist(
    cluster: Cluster, question: str, right: str, name: str
) -> None:
    response = cluster.ask(question)

    assert answer(response) == right
    assert response.headers["x-tierwise-specialist"] == f"default/{name}"
    assert response.headers["x-tierwise-tier"] == "rtx-4090"
    assert float(response.headers["x-tierwise-cost-usd"]) > 0


def test_a_question_no_specialist_knows_is_escalated_to_the_frontier(cluster: Cluster) -> None:
    response = cluster.ask("uppercase hello")

    assert answer(response) == "HELLO"
    assert response.headers["x-tierwise-specialist"] == "default/frontier"
    assert response.headers["x-tierwise-tier"] == "h100"
    assert "frontier@h100" in response.headers["x-tierwise-path"]


def test_a_stream_says_the_same_as_the_whole_answer(cluster: Cluster) -> None:
    body = {
        "model": "sorter",
        "messages": [{"role": "user", "content": "sort hgfedcba"}],
        "temperature": 0,
        "stream": True,
    }

    with httpx.stream("POST", f"{cluster.url}/v1/chat/completions", json=body, timeout=60) as got:
        lines = [line.removeprefix("data: ") for line in got.iter_lines() if line]

    assert lines[-1] == "[DONE]"
    deltas = [json.loads(line)["choices"] for line in lines[:-1]]
    text = "".join(c[0]["delta"].get("content") or "" for c in deltas if c)
    assert text == answer(cluster.ask("sort hgfedcba", model="sorter"))


def test_auto_streams_too(cluster: Cluster) -> None:
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": "reverse abcdef"}],
        "temperature": 0,
        "stream": True,
    }

    with httpx.stream("POST", f"{cluster.url}/v1/chat/completions", json=body, timeout=60) as got:
        name = got.headers["x-tierwise-specialist"]
        data = [line for line in got.iter_lines() if line.startswith("data: ")]

    lines = [line.removeprefix("data: ") for line in data]

    assert name == "default/reverser"
    deltas = [json.loads(line)["choices"] for line in lines[:-1]]
    assert "".join(c[0]["delta"].get("content") or "" for c in deltas if c) == "fedcba"


def test_completions_speak_too(cluster: Cluster) -> None:
    body = {"model": "sorter", "prompt": "sort dbca=", "temperature": 0, "max_tokens": 8}

    response = httpx.post(f"{cluster.url}/v1/completions", json=body, timeout=60)

    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["text"] == "abcd"


def test_the_models_are_listed(cluster: Cluster) -> None:
    listed = httpx.get(f"{cluster.url}/v1/models", timeout=60).json()

    assert {"auto", *TIERS} <= {model["id"] for model in listed["data"]}


def test_the_structured_protocol_answers_with_its_doubts(cluster: Cluster) -> None:
    body = {"query": "sort dbca", "session_id": "s-1"}

    told = httpx.post(f"{cluster.url}/query", json=body, timeout=60).json()

    assert told["answer"] == "abcd"
    assert 0.8 < told["confidence"] <= 1
    assert told["uncertainty_flags"] == []
    assert 0 <= told["U_score"] <= 1
    assert told["assertions"]


def test_ask_prints_the_answer_who_gave_it_and_the_way(cluster: Cluster) -> None:
    told = cluster.tierwise("ask", "sort dbca")

    assert told.returncode == 0, told.stderr
    for word in ("abcd", "sorter", "rtx-4090"):
        assert word in told.stdout


def test_doctor_finds_nothing_wrong(cluster: Cluster) -> None:
    told = cluster.tierwise("doctor", "--output", "json")

    assert told.returncode == 0, told.stdout
    assert not [check for check in json.loads(told.stdout)["checks"] if check["status"] == "fail"]


def transcript() -> list[tuple[str, str, str]]:
    """The README's questions with the answer and the Specialist it shows for each."""
    shown = (ROOT / "README.md").read_text()
    return re.findall(r'\$ tierwise ask "(.+)"\n(.+)\n\n  answered by  (\S+) on', shown)


@pytest.mark.parametrize(("question", "right", "name"), transcript())
def test_the_readme_shows_what_happens(
    cluster: Cluster, question: str, right: str, name: str
) -> None:
    told = cluster.tierwise("ask", question, "--output", "json")

    assert told.returncode == 0, told.stderr
    shown = json.loads(told.stdout)
    assert (shown["answer"], shown["specialist"]) == (right, name)
