"""What a GPUTier says about itself."""

from dataclasses import replace
from typing import Any

from observed import GIB, GPU, NOON, a_node, a_pod, a_tier

from tierwise_core.fleet import GPUTier, Node, Pod, Taint, gpu_use
from tierwise_core.plan import Plan
from tierwise_core.tiers import TierSnapshot, decide_tier


def look(
    tier: GPUTier,
    nodes: tuple[Node, ...] = (),
    pods: tuple[Pod, ...] = (),
    others: tuple[GPUTier, ...] = (),
) -> Plan:
    return decide_tier(TierSnapshot(tier, nodes, gpu_use(pods), others), NOON)


def status(plan: Plan) -> dict[str, Any]:
    assert plan.status is not None
    return dict(plan.status.status)


def ready(plan: Plan) -> tuple[str, str, str]:
    condition = plan.conditions[-1]
    assert condition.type == "Ready"
    return condition.status, condition.reason, condition.message


def test_a_tier_counts_nodes_gpus_and_what_they_cost() -> None:
    pods = (a_pod("r", node="n1", gpus=3),)
    found = status(look(a_tier(memory_text="24Gi"), (a_node("n1"), a_node("n2")), pods))
    assert found["nodes"] == 2
    assert found["gpus"] == {"capacity": 8, "allocated": 3, "free": 5}
    assert found["usdPerHour"] == 3.2
    assert found["memory"] == "24Gi"


def test_gpus_on_a_node_that_takes_no_pods_are_not_free_and_the_message_says_why() -> None:
    nodes = (a_node("n1", cordoned=True), a_node("n2", taints=(Taint("gpu", "x"),)), a_node("n3"))
    plan = look(a_tier(), nodes)
    assert status(plan)["gpus"]["free"] == 4
    assert "n1 is cordoned" in ready(plan)[2]
    assert "n2 has the taint gpu=x:NoSchedule" in ready(plan)[2]


def test_a_tier_without_nodes_names_the_labels_it_looked_for() -> None:
    status_, reason, message = ready(look(a_tier(), (a_node("n1", "h100"),)))
    assert (status_, reason) == ("False", "NoNodes")
    assert "gpu=rtx-4090" in message


def test_nodes_that_offer_no_gpu_point_at_the_device_plugin() -> None:
    plan = look(a_tier(), (Node("n1", {"gpu": "rtx-4090"}, {}),))
    assert "device plugin" in ready(plan)[2]


def test_a_gpu_nobody_knows_asks_for_its_memory() -> None:
    plan = look(a_tier(memory_bytes=None), (a_node("n1"),))
    assert ready(plan)[:2] == ("False", "UnknownGPU")
    assert "spec.gpu.memory" in ready(plan)[2]


def test_an_escalation_to_nowhere_lists_the_tiers_there_are() -> None:
    plan = look(a_tier(escalate_to="h1000"), (a_node("n1"),), others=(a_tier("h100"),))
    assert ready(plan)[:2] == ("False", "UnknownTier")
    assert "'h100'" in ready(plan)[2]


def test_an_escalation_in_a_circle_shows_the_circle() -> None:
    plan = look(
        a_tier(escalate_to="h100"),
        (a_node("n1"),),
        others=(a_tier("h100", escalate_to="rtx-4090"),),
    )
    assert ready(plan)[:2] == ("False", "EscalationCycle")
    assert "rtx-4090 -> h100 -> rtx-4090" in ready(plan)[2]


def test_an_invalid_tier_says_what_is_wrong() -> None:
    plan = look(a_tier(invalid="spec.price: Field required"))
    assert ready(plan) == ("False", "InvalidSpec", "spec.price: Field required")


def test_a_status_that_is_right_is_not_written_again() -> None:
    tier = a_tier()
    first = look(tier, (a_node("n1"),))
    again = look(replace(tier, status=status(first)), (a_node("n1"),))
    assert again.converged
    assert again.events == ()


def test_pods_of_other_resources_on_the_same_node_are_not_counted() -> None:
    mig = a_tier(resource_name="nvidia.com/mig-1g.10gb")
    node = Node("n1", {"gpu": "rtx-4090"}, {GPU: 4, "nvidia.com/mig-1g.10gb": 7})
    found = status(look(mig, (node,), (a_pod("r", node="n1", gpus=4),)))
    assert found["gpus"] == {"capacity": 7, "allocated": 0, "free": 7}


def test_a_node_that_two_tiers_select_counts_for_the_first_by_name() -> None:
    twin = a_tier("another", node_selector={"gpu": "rtx-4090"})
    plan = look(a_tier(), (a_node("n1"),), others=(twin,))
    assert status(plan)["gpus"]["capacity"] == 0
    assert ready(plan)[:2] == ("False", "NodesClaimedTwice")
    assert status(look(twin, (a_node("n1"),), others=(a_tier(),)))["gpus"]["capacity"] == 4


def test_two_tiers_that_claim_a_node_both_say_which_and_how_to_tell_them_apart() -> None:
    twin = a_tier("another", node_selector={"gpu": "rtx-4090"})
    loser = look(a_tier(), (a_node("n1"),), others=(twin,)).conditions[0]
    winner = look(twin, (a_node("n1"),), others=(a_tier(),))
    for condition, rival in ((loser, "another"), (winner.conditions[0], "rtx-4090")):
        assert (condition.type, condition.status) == ("NodesExclusive", "False")
        assert condition.reason == "NodesClaimedTwice"
        assert condition.message == (
            f"spec.nodeSelector: gpu=rtx-4090 also matches nodes of GPUTier {rival} (n1); they "
            "count for another alone, the first by name; give another or rtx-4090 a label that "
            "only its own nodes have"
        )
    assert ready(winner)[:2] == ("True", "Matched")


def test_tiers_with_nodes_of_their_own_say_so() -> None:
    plan = look(a_tier(), (a_node("n1"), a_node("n2", "h100")), others=(a_tier("h100"),))
    assert plan.conditions[0].status == "True"


def test_tiers_of_different_resources_share_a_node() -> None:
    mig = a_tier("a-mig", node_selector={"gpu": "rtx-4090"}, resource_name="nvidia.com/mig-1g")
    plan = look(a_tier(), (a_node("n1"),), others=(mig,))
    assert status(plan)["gpus"]["capacity"] == 4


def test_a_node_with_fewer_gpus_than_its_pods_hold_has_none_free() -> None:
    found = status(look(a_tier(), (a_node("n1", gpus=2),), (a_pod("r", node="n1", gpus=4),)))
    assert found["gpus"] == {"capacity": 2, "allocated": 4, "free": 0}
    assert a_tier().memory_bytes == 24 * GIB
