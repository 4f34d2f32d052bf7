"""What the doctor makes of what it saw."""

import copy
from typing import Any

import pytest
from fleetseen import (
    deployment,
    healthy,
    lease,
    node,
    specialist,
    tier,
    waiting_pod,
)

from tierwise_cli.checks import Check, Outcome, Probe, Snapshot, Unread, Workload, checks, worst


def check(name: str, seen: Snapshot) -> Check:
    """The result of one check."""
    (found,) = [result for result in checks(seen) if result.name == name]
    return found


def test_a_healthy_cluster_has_nothing_to_mend() -> None:
    results = checks(healthy())

    assert [r for r in results if r.status is not Outcome.OK] == []
    assert [r for r in results if r.fix] == []


def test_checks_come_in_the_order_in_which_to_mend() -> None:
    assert [result.name for result in checks(healthy())] == [
        "cluster", "crds", "nodes", "gpus", "tiers", "operator", "router", "specialists",
        "ledger", "contents",
    ]  # fmt: skip


@pytest.mark.parametrize("version", ["v1.29.9", "v1.30.0-alpha", "v1.34.4-gke.100"])
def test_the_cluster_must_be_new_enough(version: str) -> None:
    found = check("cluster", healthy(version=version))

    assert found.status is (Outcome.FAIL if "1.29" in version else Outcome.OK)
    assert version in found.summary


def test_a_cluster_without_our_kinds_is_told_how_to_get_them() -> None:
    found = check("crds", healthy(definitions=[]))

    assert found.status is Outcome.FAIL
    assert "Specialist" in found.summary
    assert found.fix.startswith("tierwise crds | kubectl apply")


def test_an_old_schema_is_noticed() -> None:
    definitions = copy.deepcopy(list(healthy().definitions))  # type: ignore[arg-type]
    schema = definitions[1]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"].pop("priority")

    found = check("crds", healthy(definitions=definitions))

    assert found.status is Outcome.WARN
    assert found.summary.startswith("Specialist: ")


def test_a_lost_node_is_named_with_its_reason() -> None:
    found = check("nodes", healthy(nodes=[node("a"), node("b", status="False")]))

    assert (found.status, found.summary) == (Outcome.WARN, "1 of 2 nodes are ready")
    assert found.details == ("b: the kubelet is silent",)
    assert "kubectl describe node b" in found.fix


def test_no_ready_node_at_all_is_a_failure() -> None:
    assert check("nodes", healthy(nodes=[node(status="Unknown")])).status is Outcome.FAIL
    assert check("nodes", healthy(nodes=[])).status is Outcome.FAIL


def test_gpus_are_counted_by_product() -> None:
    nodes = [node("a", "L4", 2), node("b", "L4", 2), node("c", "H100", 8), node("d", "none", 0)]

    found = check("gpus", healthy(nodes=nodes))

    assert found.summary == "allocatable: 8 H100, 4 L4"


def test_mig_slices_are_gpus_too() -> None:
    sliced = node(gpus=0, **{"nvidia.com/mig-1g.10gb": "7"})

    assert check("gpus", healthy(nodes=[sliced])).summary == "allocatable: 7 L4"


def test_nodes_without_gpus_need_a_device_plugin() -> None:
    found = check("gpus", healthy(nodes=[node(gpus=0)]))

    assert found.status is Outcome.FAIL
    assert "device plugin" in found.fix


def test_a_tier_that_matches_no_node_is_told_the_label_it_wants() -> None:
    found = check("tiers", healthy(tiers=[tier(), tier("h100", "H100")]))

    assert found.status is Outcome.WARN
    assert found.details == ("h100: no node has nvidia.com/gpu.product=H100",)
    assert found.summary == "l4 (1 node), h100 (0 nodes)"


def test_a_gpu_node_that_no_tier_covers_is_named() -> None:
    found = check("tiers", healthy(nodes=[node(), node("b", "A100")]))

    assert found.status is Outcome.WARN
    assert found.details == ("node b: no GPUTier covers its A100",)


def test_a_broken_tier_tells_the_operators_reason() -> None:
    broken = tier(status="False", reason="EscalationCycle", message="l4 -> h100 -> l4")

    found = check("tiers", healthy(tiers=[broken]))

    assert found.status is Outcome.FAIL
    assert found.details == ("l4: EscalationCycle: l4 -> h100 -> l4",)


def test_a_fleet_without_tiers_is_told_where_to_begin() -> None:
    found = check("tiers", healthy(tiers=[]))

    assert found.status is Outcome.WARN
    assert "examples/quickstart/tiers.yaml" in found.fix


@pytest.mark.parametrize("name", ["operator", "router"])
def test_a_program_that_is_not_installed_is_told_how_to_install(name: str) -> None:
    missing: dict[str, Any] = {name: Workload(None)}

    found = check(name, healthy(**missing))

    assert found.status is Outcome.FAIL
    assert found.fix.startswith("helm upgrade --install tierwise")


def test_a_pod_that_cannot_start_says_why_in_the_kubelets_words() -> None:
    pod = waiting_pod("router-x", "ImagePullBackOff", "no such image")
    stuck = Workload(deployment("tierwise-router", 2, up=1), [pod])

    found = check("router", healthy(router=stuck))

    assert (found.status, found.summary) == (Outcome.WARN, "1 of 2 pods ready")
    assert found.details == ("router-x: ImagePullBackOff: no such image",)


def test_no_ready_pod_and_scaled_to_zero_are_failures() -> None:
    down = Workload(deployment("tierwise-router", 2, up=0))
    off = Workload(deployment("tierwise-router", 0))

    assert check("router", healthy(router=down)).status is Outcome.FAIL
    assert check("router", healthy(router=off)).summary == "scaled to zero"


def test_a_lease_nobody_renews_is_an_operator_that_hangs() -> None:
    found = check("operator", healthy(lease=lease("operator-a", age_seconds=75)))

    assert found.status is Outcome.FAIL
    assert "operator-a" in found.summary
    assert "60 s ago" in found.summary


@pytest.mark.parametrize("nobody", [None, {"spec": {"holderIdentity": ""}}])
def test_a_lease_nobody_holds_is_a_failure(nobody: dict[str, Any] | None) -> None:
    assert check("operator", healthy(lease=nobody)).status is Outcome.FAIL


def test_a_router_without_routes_says_what_readyz_said() -> None:
    found = check("router", healthy(ready=Probe(503, "no route table yet")))

    assert found.status is Outcome.FAIL
    assert "no route table yet" in found.summary


def test_another_release_in_the_cluster_is_worth_a_look() -> None:
    found = check("operator", healthy(tierwise="0.2.0"))

    assert found.status is Outcome.WARN
    assert "version 0.1.0, this is 0.2.0" in found.summary


def test_a_failed_specialist_tells_its_reason_and_a_way_out() -> None:
    failed = specialist("big", "False", "NoTierFits", "needs 41.2 GiB, l4 has 21.6 GiB usable")

    found = check("specialists", healthy(specialists=[specialist(), failed]))

    assert (found.status, found.summary) == (Outcome.FAIL, "1 of 2 are ready or at rest")
    assert found.details == ("demo/big: NoTierFits: needs 41.2 GiB, l4 has 21.6 GiB usable",)
    assert found.fix.startswith("big: add a GPUTier with more memory")


@pytest.mark.parametrize("reason", ["PodsStarting", "Loading"])
def test_a_specialist_under_way_is_no_failure(reason: str) -> None:
    found = check("specialists", healthy(specialists=[specialist("new", "False", reason)]))

    assert found.status is Outcome.WARN


def test_a_specialist_at_rest_is_fine() -> None:
    resting = specialist("rare", "False", "ScaledToZero")

    assert check("specialists", healthy(specialists=[resting])).status is Outcome.OK


def test_a_specialist_the_operator_has_not_seen_is_worth_a_look() -> None:
    unseen = specialist() | {"status": {}}
    edited = specialist() | {"metadata": {"name": "b", "namespace": "demo", "generation": 2}}

    found = check("specialists", healthy(specialists=[unseen, edited]))

    assert found.status is Outcome.WARN
    assert found.details == (
        "demo/sorter: the operator has not looked at it yet",
        "demo/b: the operator has not seen its last change yet",
    )


@pytest.mark.parametrize(
    ("part", "name"),
    [("definitions", "crds"), ("nodes", "nodes"), ("lease", "operator"), ("ready", "router")],
)
def test_what_a_user_may_not_read_is_a_warning_with_the_reason(part: str, name: str) -> None:
    denied: dict[str, Any] = {part: Unread("refuses: not allowed", "ask the administrator")}

    found = check(name, healthy(**denied))

    assert (found.status, found.fix) == (Outcome.WARN, "ask the administrator")
    assert "not allowed" in found.summary


def test_whatever_is_not_fine_says_how_to_fix_it() -> None:
    empty = healthy(
        definitions=[],
        nodes=[],
        tiers=[],
        specialists=[],
        lease=None,
        operator=Workload(None),
        router=Workload(None),
    )

    results = checks(empty)

    assert worst(r.status for r in results) is Outcome.FAIL
    assert [r.name for r in results if r.status is not Outcome.OK and not r.fix] == []
