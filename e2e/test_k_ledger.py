"""The ledger on a real cluster: every answer arrives once, whoever is killed or away meanwhile."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from cluster import Cluster, eventually

NAMESPACE = "tierwise-system"
QUESTIONS = ("sort dbca", "uppercase hello", "add 17 and 25", "reverse abcdef")
LEDGER = "deployment/tierwise-ledger"
# Ray names the processes of a deployment after it; this text is in our own command line too.
KILL_DISPATCHERS = """
import os
killed = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        command = open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        continue
    if b"ServeReplica" in command and int(pid) != os.getpid():
        os.kill(int(pid), 9)
        killed += 1
print(killed)
"""


@pytest.fixture
def ledger(cluster: Cluster) -> Iterator[httpx.Client]:
    """The ledger's Service, with the token of its Secret."""
    service = cluster.get("service", "tierwise-ledger", NAMESPACE)
    secret = cluster.get("secret", "tierwise-ledger", NAMESPACE)
    token = base64.b64decode(secret["data"]["token"]).decode()
    with httpx.Client(
        base_url=f"http://{service['spec']['clusterIP']}",
        headers={"authorization": f"Bearer {token}"},
        timeout=20,
    ) as client:
        yield client


def ask(cluster: Cluster, times: int) -> dict[str, float]:
    """Ask some questions; give what each decision cost, as its answer's header says."""
    told = {}
    for number in range(times):
        answer = cluster.ask(QUESTIONS[number % len(QUESTIONS)])
        assert answer.status_code == 200, answer.text
        told[answer.headers["x-tierwise-decision"]] = float(answer.headers["x-tierwise-cost-usd"])
    return told


def arrived(ledger: httpx.Client, decisions: dict[str, float]) -> Callable[[], int]:
    """Count those of the decisions that the ledger knows."""

    def probe() -> int:
        try:
            return sum(
                ledger.get(f"/v1/outcomes/{name}").status_code == httpx.codes.OK
                for name in decisions
            )
        except httpx.HTTPError:
            return -1

    return probe


def total(ledger: httpx.Client) -> dict[str, Any]:
    sums = ledger.get("/v1/summary", params={"since": "1970-01-01"}).json()["sums"]
    return dict(sums[0]) if sums else {"requests": 0, "cost_usd": 0.0}


def test_what_is_answered_is_recorded_and_can_be_judged_later(
    cluster: Cluster, ledger: httpx.Client
) -> None:
    cluster.wait_for_router()
    asked = ask(cluster, 8)
    eventually(arrived(ledger, asked), lambda count: count == len(asked))

    name = next(iter(asked))
    outcome = ledger.get(f"/v1/outcomes/{name}").json()
    assert outcome["cost_usd"] == pytest.approx(asked[name], abs=1e-8)
    assert outcome["steps"][-1]["pod"]
    assert outcome["steps"][-1]["output_tokens"] > 0
    assert outcome["steps"][-1]["ttft_s"] > 0
    ledger.post("/v1/feedback", json={"decision": name, "accepted": False, "corrected": "abcd"})
    assert ledger.get(f"/v1/outcomes/{name}").json()["feedback"] is False

    status = cluster.tierwise("ledger", "status", "--output", "json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["requests"] >= len(asked)


def test_a_stranger_is_told_nothing(cluster: Cluster, ledger: httpx.Client) -> None:
    asked = httpx.get(f"{ledger.base_url}/v1/outcomes", headers={"authorization": "Bearer x"})

    assert asked.status_code == httpx.codes.UNAUTHORIZED


def test_a_killed_dispatcher_and_a_ledger_that_was_away_lose_nothing(
    cluster: Cluster, ledger: httpx.Client
) -> None:
    cluster.wait_for_router()
    eventually(lambda: total(ledger)["requests"], lambda count: count > 0)
    cluster.kubectl("scale", LEDGER, "-n", NAMESPACE, "--replicas=0")
    component = "app.kubernetes.io/component=ledger"
    eventually(lambda: cluster.names("pods", component, NAMESPACE), lambda left: left == [])

    asked = ask(cluster, 12)
    for pod in cluster.pods("app.kubernetes.io/component=router", NAMESPACE):
        told = cluster.kubectl("exec", pod, "-n", NAMESPACE, "--", "python", "-c", KILL_DISPATCHERS)
        assert int(told) >= 1
    cluster.wait_for_router()
    cluster.once_answered("sort dbca", "auto")
    asked |= ask(cluster, 4)

    cluster.kubectl("scale", LEDGER, "-n", NAMESPACE, "--replicas=1")
    cluster.kubectl("rollout", "status", LEDGER, "-n", NAMESPACE, "--timeout=240s")
    eventually(arrived(ledger, asked), lambda count: count == len(asked))

    outcomes = [ledger.get(f"/v1/outcomes/{name}").json() for name in asked]
    assert sum(one["cost_usd"] for one in outcomes) == pytest.approx(sum(asked.values()), abs=1e-7)
    # What others have asked may arrive between one look and the other.
    summed, listed = eventually(
        lambda: (total(ledger), list(every_outcome(ledger))),
        lambda seen: seen[0]["requests"] == sum(is_a_clients(one) for one in seen[1]),
    )
    assert summed["cost_usd"] == pytest.approx(sum(one["cost_usd"] for one in listed), abs=1e-9)


def is_a_clients(outcome: dict[str, Any]) -> bool:
    """Whether a client asked for it: not a shadow, and no step of a pattern's answer."""
    return outcome["state"] != "shadow" and not (outcome["pattern"] and outcome["calls"])


def every_outcome(ledger: httpx.Client) -> Iterator[dict[str, Any]]:
    """All outcomes, page by page."""
    asked = {"since": "1970-01-01", "limit": "1000"}
    while True:
        page = ledger.get("/v1/outcomes", params=asked).json()
        yield from page["outcomes"]
        if page["next"] is None:
            return
        asked["after"] = page["next"]
