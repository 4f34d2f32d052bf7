"""Several real models for one request, and a second answer that nobody sees."""

import json
from collections.abc import Iterator

import httpx
import pytest
from cluster import ROOT, Cluster, answer, eventually


@pytest.fixture(scope="module", autouse=True)
def patterns(cluster: Cluster) -> Iterator[None]:
    """The example's policy, with every answer of the sorter shadowed."""
    for name in ("sorter", "adder", "reverser", "generalist", "frontier"):
        cluster.wait(f"specialist/{name}", "condition=Ready")  # other stories send them to sleep
    example = ROOT / "examples" / "patterns" / "policy.yaml"
    policy = example.read_text().replace("percent: 10", "percent: 100")
    cluster.kubectl("apply", "--server-side", "--field-manager=patterns", "-f", "-", stdin=policy)
    eventually(lambda: models(cluster), lambda lists: all("worksheet" in one for one in lists))
    yield
    cluster.delete("routerpolicy", "default")
    eventually(lambda: models(cluster), lambda lists: not any("worksheet" in one for one in lists))


def models(cluster: Cluster) -> list[list[str]]:
    """What each router pod lists."""
    listed = [httpx.get(f"{url}/v1/models", timeout=60).json() for url in cluster.routers()]
    return [[model["id"] for model in one["data"]] for one in listed]


def test_each_item_of_a_list_goes_to_whom_it_suits(cluster: Cluster) -> None:
    response = cluster.ask("1. sort dbca\n2. add 17 and 25\n3. reverse abcdef", "worksheet")

    assert answer(response) == (
        "sort dbca\nabcd [1]\n\nadd 17 and 25\n42 [2]\n\nreverse abcdef\nfedcba [3]"
    )
    sources = response.json()["tierwise"]["sources"]
    assert [source["specialist"] for source in sources] == [
        "default/sorter",
        "default/adder",
        "default/reverser",
    ]


def test_two_models_that_agree_answer_and_ones_that_differ_call_for_a_person(
    cluster: Cluster,
) -> None:
    both = cluster.ask("sort dbca", "checked")
    differing = cluster.ask("uppercase hello", "checked")

    assert answer(both) == "abcd"
    assert both.json()["tierwise"]["agrees"] is True
    assert differing.status_code == 422
    assert differing.json()["error"]["code"] == "human_review"


def test_a_critic_of_real_weights_is_held_to_its_schema(cluster: Cluster) -> None:
    response = cluster.ask("uppercase hello", "reviewed", max_tokens=64)

    assert answer(response)
    told = response.json()["tierwise"]
    assert told["answers"] <= 3
    assert told["reason"]


def test_a_shadow_is_compared_and_counted(cluster: Cluster) -> None:
    before = compared(cluster)

    assert answer(cluster.ask("sort hgfe", "sorter")) == "efgh"

    eventually(lambda: compared(cluster), lambda count: count > before)


def compared(cluster: Cluster) -> float:
    """The comparisons that came to a result, over all router pods."""
    pods = json.loads(
        cluster.kubectl(
            *("get", "pods", "-n", "tierwise-system", "-o", "json"),
            *("-l", "app.kubernetes.io/component=router"),
        )
    )["items"]
    return sum(
        float(line.rpartition(" ")[2])
        for pod in pods
        for line in metrics(cluster, pod["metadata"]["name"])
        if line.startswith("tierwise_router_shadow_comparisons_total")
        and ("disagree" in line or "agree" in line)
    )


def metrics(cluster: Cluster, pod: str) -> list[str]:
    path = f"/api/v1/namespaces/tierwise-system/pods/{pod}:8080/proxy/metrics"
    return cluster.kubectl("get", "--raw", path).splitlines()
