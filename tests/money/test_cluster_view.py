"""What a cluster's objects say of its fleet, and the ledger's own look at a real API server."""

from __future__ import annotations

import ssl
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from fleet_looks import HOUR_S, SINCE
from ledgers import NOON, Clock, Served
from sqlalchemy import func, select

from tierwise_core.bill import FREE, OTHERS
from tierwise_core.budget_lease import Ask
from tierwise_core.capacity import Held, Unit
from tierwise_ledger.money.cluster import Cluster
from tierwise_ledger.money.cluster_view import cluster_view
from tierwise_ledger.money.jobs import look_at, tell_alerts
from tierwise_ledger.money.leases import AccountAsk, day_of, exchange
from tierwise_ledger.store import Store
from tierwise_ledger.tables.spend import BUDGET_ALERTS

GPU = "nvidia.com/gpu"
API = "tierwise.dev/v1alpha1"
SPOT = {"kind": "spot"}


def a_tier(name: str = "h100", **price: Any) -> dict[str, Any]:
    spec = {
        "gpu": {"product": "NVIDIA-H100-80GB-HBM3"},
        "nodeSelector": {"gpu": name},
        "price": {"perGPUHour": 3.0, **price},
    }
    return {"apiVersion": API, "kind": "GPUTier", "metadata": {"name": name}, "spec": spec}


def a_node(name: str, gpus: int, **labels: str) -> dict[str, Any]:
    labels = {"gpu": "h100", **labels}
    allocatable = {"cpu": "8", GPU: str(gpus)}
    return {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}}


def a_pod(name: str, node: str, gpus: int, specialist: str = "", **status: Any) -> dict[str, Any]:
    labels = {"tierwise.dev/specialist": specialist} if specialist else {}
    container = {"resources": {"limits": {GPU: str(gpus)}}}
    return {
        "metadata": {"namespace": "demo", "name": name, "labels": labels},
        "spec": {"nodeName": node, "containers": [container]},
        "status": status,
    }


def held(**objects: list[dict[str, Any]]) -> dict[Unit, Held]:
    found = {"GPUTier": [a_tier()], **objects}
    return dict(cluster_view(found, 0.0).look.held)


def test_pods_hold_gpus_others_too_and_the_rest_is_free() -> None:
    pods = [
        a_pod("large-1", "a", 2, "large"),
        a_pod("notebook", "a", 1),
        a_pod("done", "a", 4, "large", phase="Succeeded"),
        a_pod("waits", "", 4, "large"),
    ]
    found = held(Node=[a_node("a", 8)], Pod=pods)
    assert found == {
        Unit("h100", "demo/large"): Held(2),
        Unit("h100", OTHERS): Held(1),
        Unit("h100", FREE): Held(5),
    }


def test_spot_nodes_are_on_a_market_of_their_own_and_a_commitment_pays_the_rest() -> None:
    tier = a_tier(spot={"perGPUHour": 1.0, "nodeSelector": SPOT},
                  reserved={"gpus": 3, "perGPUHour": 2.0})  # fmt: skip
    nodes = [a_node("a", 2), a_node("b", 2, **SPOT)]
    pods = [a_pod("one", "a", 2, "large"), a_pod("two", "b", 1, "large")]
    found = held(GPUTier=[tier], Node=nodes, Pod=pods)
    assert found == {
        Unit("h100", "demo/large", "spot"): Held(1),
        Unit("h100", FREE, "spot"): Held(1),
        Unit("h100", "demo/large", "reserved"): Held(2),
        # One GPU of the three that are paid for is not even there.
        Unit("h100", FREE, "reserved"): Held(1),
    }


def test_power_counts_where_all_pods_of_a_holder_are_metered() -> None:
    pods = [a_pod("one", "a", 1, "large"), a_pod("two", "a", 1, "large"), a_pod("x", "a", 1, "s")]
    objects = {"GPUTier": [a_tier()], "Node": [a_node("a", 3)], "Pod": pods}
    watts = {("demo", "one"): 300.4, ("demo", "x"): 200.0}
    found = cluster_view(objects, 0.0, watts).look.held
    assert found[Unit("h100", "demo/large")].watts is None
    assert found[Unit("h100", "demo/s")].watts == 200


def test_prices_and_rates_come_from_the_resources_and_a_broken_one_is_left_out() -> None:
    tier = a_tier(energyPerKWh=0.2, opsPerGPUHour=0.1)
    broken = {**a_tier("broken"), "spec": {}}
    specialist = {
        "apiVersion": API, "kind": "Specialist", "metadata": {"name": "large", "namespace": "demo"},
        "spec": {"field": "general", "model": {"source": "hf://a/b"}},
        "status": {
            "placement": {"tier": "h100", "gpusPerReplica": 2},
            "performance": {"generationTokensPerSecond": 800.0, "promptTokensPerSecond": 9000.0},
        },
    }  # fmt: skip
    tenant = {
        "apiVersion": API, "kind": "Tenant", "metadata": {"name": "team-a", "namespace": "demo"},
        "spec": {"keys": [{"name": "a", "sha256": "a" * 64}], "charges": {"perAnswer": 0.002}},
    }  # fmt: skip
    view = cluster_view(
        {"GPUTier": [tier, broken], "Specialist": [specialist], "Tenant": [tenant]}, 0.0
    )
    price = view.prices[0]
    assert (price.gpu_hour_nano_usd, price.kwh_nano_usd) == (3_000_000_000, 200_000_000)
    # The catalogue knows what an H100 draws.
    assert (price.ops_hour_nano_usd, price.tdp_watts) == (100_000_000, 700)
    rate = view.rates["demo/large", "h100"]
    assert (rate.decode_mtps, rate.prefill_mtps, rate.gpus) == (800_000, 9_000_000, 2)
    assert rate.measured
    assert view.charges["demo/team-a"].answer_nano_usd == 2_000_000


@pytest.fixture
def cluster(api_server: ApiServer, tmp_path: Path) -> Cluster:
    """The API server as the ledger speaks to it; a certificate in the place of a token."""
    config = yaml.safe_load(api_server.kubeconfig.read_text())
    at, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    tls = ssl.create_default_context(cadata=b64decode(at["certificate-authority-data"]).decode())
    pair = tmp_path / "client.pem"
    pair.write_bytes(
        b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"])
    )
    tls.load_cert_chain(pair)
    return Cluster(at["server"], None, tls)


@pytest.fixture
def applied(api_server: ApiServer) -> Callable[[dict[str, Any]], None]:
    def apply(body: dict[str, Any]) -> None:
        api_server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))

    return apply


@pytest.mark.apiserver
def test_the_ledger_looks_at_a_real_api_server(
    cluster: Cluster, applied: Callable[[dict[str, Any]], None], store: Store
) -> None:
    applied(a_tier("money-tier"))
    node = a_node("money-node", 4, gpu="money-tier")
    applied({"apiVersion": "v1", "kind": "Node", **node})
    ledger = Served(store, clock=Clock(SINCE + HOUR_S))
    for minute in range(0, 61, 3):
        look_at(cluster, store, SINCE + 60.0 * minute)
    told = ledger.client.get("/v1/cost", params={"since": "1h", "by": "tier"}).json()
    usd = {one["name"]: one["usd"] for one in told["groups"]}
    assert usd["money-tier"] == 12.0


@pytest.mark.apiserver
def test_a_threshold_becomes_one_event_on_the_tenant(
    api_server: ApiServer, cluster: Cluster, store: Store
) -> None:
    account = AccountAsk(
        day_of(NOON), "default/spender", "default/spender", "day",
        Ask(1, 1_000_000_000, 900_000_000, 900_000_000), (80, 100),
    )  # fmt: skip
    with store.begin() as connection:
        exchange(connection, "d-1", [account], NOON)
    tell_alerts(cluster, store, NOON)
    tell_alerts(cluster, store, NOON)
    query = "-o=jsonpath={range .items[*]}{.reason}: {.message}{'\\n'}{end}"
    name = "--field-selector=involvedObject.name=spender,involvedObject.kind=Tenant"
    told = api_server.kubectl("get", "events", "-n", "default", name, query)
    said = "80 % of the budget of 2025-06-15 are spent: $0.90 of $1.00 (spec.budgets.perDay)"
    # One for each kind of database that this test runs on.
    assert set(told.splitlines()) == {f"BudgetThreshold: {said}"}
    with store.read() as connection:
        waiting = select(func.count()).where(BUDGET_ALERTS.c.told.is_(False))
        assert connection.execute(waiting).scalar_one() == 0
