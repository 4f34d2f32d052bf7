"""Money on a real cluster: a bill that adds up, and a budget that ends before a call is made."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cluster import PATIENCE_S, Cluster, eventually

TENANT = "e2e-spender"
# Nine seconds of a replica of some dimes an hour: no slow call takes it alone, and however short
# the calls are on a fast machine, they take it in the end.
BUDGET_USD = 0.001
MOST_CALLS = 20_000
DAY_S = 86_400


def told(cluster: Cluster, *arguments: str) -> dict[str, Any]:
    """What `tierwise` says, in JSON."""
    done = cluster.tierwise(*arguments, "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_groups_add_up_to_the_bill_and_the_bill_to_hours_times_price(cluster: Cluster) -> None:
    cluster.wait_for_router()
    assert cluster.ask("sort dbca").status_code == httpx.codes.OK
    # The ledger looks once a minute, and what it sees costs something from the second look on.
    eventually(
        lambda: float(told(cluster, "cost", "--since", "1d")["fleetNanoUSD"]),
        lambda usd: usd > 0,
    )
    prices = {
        tier["metadata"]["name"]: usd_per_gpu_hour(tier["spec"])
        for tier in json.loads(cluster.kubectl("get", "gputiers", "-o", "json"))["items"]
    }

    by_tier = told(cluster, "cost", "--by", "tier", "--since", "1d")

    own = {group["name"]: group["usd"] - group["externalUSD"] for group in by_tier["groups"]}
    hours = {group["name"]: group["gpuHours"] for group in by_tier["groups"]}
    # Other stories had tiers of their own, which are gone and were paid for all the same.
    for tier in own.keys() & prices.keys():
        assert own[tier] == pytest.approx(hours[tier] * prices[tier], abs=1e-6)
    assert by_tier["fleetNanoUSD"] / 1e9 == pytest.approx(sum(own.values()), abs=1e-6)
    for dimension in ("specialist", "tenant", "field", "workload"):
        found = told(cluster, "cost", "--by", dimension, "--since", "1d")
        providers = round(found["total"]["externalUSD"] * 1e9)
        assert sum(one["nanoUSD"] for one in found["groups"]) == found["fleetNanoUSD"] + providers


def usd_per_gpu_hour(spec: dict[str, Any]) -> float:
    """By hand: the price, and the energy of a GPU without a meter, which counts at its TDP."""
    price, watts = spec["price"], spec["gpu"].get("tdpWatts", 0)
    return float(price["perGPUHour"] + price.get("energyPerKWh", 0.0) * watts / 1000)


@pytest.fixture
def key(cluster: Cluster) -> Iterator[str]:
    """The key of a tenant with a small budget; without it nobody may ask meanwhile."""
    made = told(cluster, "tenant", "create", TENANT, "--per-day", str(BUDGET_USD))
    yield made["key"]
    cluster.delete("tenant", TENANT)
    cluster.once_answered("sort dbca", "auto")


def test_a_budget_ends_and_the_totals_agree(cluster: Cluster, key: str) -> None:
    # A new day has a new budget: this one shall not end meanwhile.
    eventually(lambda: DAY_S - time.time() % DAY_S, lambda left_s: left_s > PATIENCE_S / 2)
    for url in cluster.routers():
        eventually(
            lambda url=url: ask(url, key).status_code,  # type: ignore[misc]
            lambda code: code == httpx.codes.OK,
        )

    costs = []
    for _ in range(MOST_CALLS):
        answer = ask(cluster.url, key)
        if answer.status_code != httpx.codes.OK:
            break
        costs.append(float(answer.headers["x-tierwise-cost-usd"]))

    assert answer.status_code == httpx.codes.TOO_MANY_REQUESTS, answer.text
    error = answer.json()["error"]
    assert error["code"] == "budget_exhausted"
    assert "spec.budgets.perDay" in error["message"]
    assert int(answer.headers["retry-after"]) > 0
    # Asked one after the other, the budget is overstepped by one call's surprise at the most.
    assert sum(costs) <= BUDGET_USD + max(costs)

    spent = eventually(lambda: spent_today(cluster), lambda usd: usd > sum(costs) - 1e-9)
    assert spent <= BUDGET_USD + max(costs)


def ask(url: str, key: str) -> httpx.Response:
    """Ask one question with the tenant's key."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}]}
    return httpx.post(
        f"{url}/v1/chat/completions", json=body, timeout=60,
        headers={"authorization": f"Bearer {key}"},
    )  # fmt: skip


def spent_today(cluster: Cluster) -> float:
    rows = told(cluster, "tenant", "list")["tenants"]
    return next(row["spentTodayUSD"] or 0.0 for row in rows if row["tenant"].endswith(TENANT))
