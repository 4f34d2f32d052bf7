"""Why a question was answered so: told by the pod that decided it, out of several."""

import json
from functools import partial

import httpx
from cluster import Cluster, eventually

ASLEEP = None


def test_an_answer_is_explained_and_judged_from_the_command_line(cluster: Cluster) -> None:
    cluster.wait_for_router()
    asked = cluster.tierwise("ask", "uppercase hello", "--output", "json")
    decision = json.loads(asked.stdout)["decision"]

    told = cluster.tierwise("explain", decision, "--output", "json")
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    judged = cluster.tierwise("feedback", decision, "--accept")
    # Another pod may take the second word: it knows of the first when the ledger does.
    again = eventually(
        lambda: cluster.tierwise("feedback", decision, "--accept").stdout,
        lambda said: "said before" in said,
    )
    story = eventually(
        lambda: cluster.tierwise("explain", decision).stdout, lambda told: "Feedback" in told
    )

    assert record["id"] == decision
    assert record["specialist"] == json.loads(asked.stdout)["specialist"]
    assert {one["specialist"] for one in record["candidates"]} >= {"default/frontier"}
    assert all(step["pod"] for step in record["steps"] if not step["failure"])
    assert "uppercase" not in told.stdout
    assert judged.stdout == f"{decision} accepted\n"
    assert again == f"{decision} accepted (said before)\n"
    assert "Who could answer" in story


def test_the_name_of_a_decision_points_to_its_pod(cluster: Cluster) -> None:
    pods = cluster.names("pods", "app.kubernetes.io/component=router", "tierwise-system")

    made = {cluster.ask("sort dbca").headers["x-tierwise-decision"].split("-")[1] for _ in range(5)}

    assert made <= {pod.rsplit("-", 1)[1] for pod in pods}


def test_every_router_pod_tells_of_it(cluster: Cluster) -> None:
    decision = cluster.ask("sort dbca").headers["x-tierwise-decision"]

    for url in cluster.routers():
        told = eventually(
            partial(httpx.get, f"{url}/v1/decisions/{decision}", timeout=20),
            lambda reply: reply.status_code == httpx.codes.OK,
        )
        assert told.json()["id"] == decision


def test_a_decision_that_nobody_made_is_told_as_such(cluster: Cluster) -> None:
    told = cluster.tierwise("explain", "d-nobody-00000000-000001")

    assert told.returncode == 1
    assert "is not known here" in told.stderr
