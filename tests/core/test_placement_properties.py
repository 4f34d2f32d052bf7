"""What holds of every plan, whatever the fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.placement import Assignment, NodeCapacity, PlacementPlan, Request, Tier, place
from tierwise_core.sizing import MemoryBreakdown
from tierwise_core.tensor_parallel import CANDIDATES

# A busy machine is slow now and then; that is not what these tests are about.
calm = settings(deadline=None)
calm_and_long = settings(deadline=None, max_examples=300)

GIB = 2**30
TIER_NAMES = ("a100", "h100", "l4", "rtx-4090")


@st.composite
def tiers(draw: st.DrawFn) -> Tier:
    name = draw(st.sampled_from(TIER_NAMES))
    totals = draw(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=4))
    nodes = tuple(
        NodeCapacity(
            f"{name}-{i}", draw(st.integers(0, total)), total, ready=draw(st.integers(0, 5)) > 0
        )
        for i, total in enumerate(totals)
    )
    price = draw(st.sampled_from([0.4, 1.0, 1.6, 3.0]))
    memory = draw(st.sampled_from([0, 24, 40, 80])) * GIB
    return Tier(name, memory, usd_per_gpu_hour=price, nodes=nodes)


fleets = st.lists(tiers(), max_size=4, unique_by=lambda tier: tier.name)


@st.composite
def newcomers(draw: st.DrawFn) -> list[Request]:
    """Requests that run nowhere yet."""
    return [
        Request(
            f"ns/s{i}",
            priority=draw(st.integers(0, 2)),
            replicas=draw(st.integers(0, 3)),
            allowed_tiers=draw(st.frozensets(st.sampled_from((*TIER_NAMES, "typo")), max_size=2)),
            memory=draw(memories()),
        )
        for i in range(draw(st.integers(0, 7)))
    ]


@st.composite
def memories(draw: st.DrawFn) -> Mapping[int, MemoryBreakdown]:
    whole = draw(st.integers(1, 200)) * GIB
    sizes = draw(st.sets(st.sampled_from(CANDIDATES), min_size=1))
    return {size: MemoryBreakdown(whole // size, 0, GIB // 2, 0) for size in sorted(sizes)}


def bind(
    fleet: Sequence[Tier], requests: Sequence[Request], plan: PlacementPlan
) -> tuple[list[Tier], list[Request]]:
    """The cluster once every planned pod is bound: a witness that the plan can be carried out."""
    free = {(t.name, n.name): max(0, n.gpus_free) for t in fleet for n in t.nodes if n.ready}
    held: dict[str, Counter[str]] = {request.key: Counter() for request in requests}
    largest_first = sorted(plan.assignments.items(), key=lambda item: -item[1].gpus_per_replica)
    for key, assignment in largest_first:
        for _ in range(assignment.replicas):
            node = roomiest_fit(free, assignment)
            free[node] -= assignment.gpus_per_replica
            held[key][node[1]] += assignment.gpus_per_replica
    bound_tiers = [
        replace(
            tier,
            nodes=tuple(
                replace(node, gpus_free=free.get((tier.name, node.name), node.gpus_free))
                for node in tier.nodes
            ),
        )
        for tier in fleet
    ]
    return bound_tiers, [running(each, plan, held[each.key]) for each in requests]


def roomiest_fit(free: Mapping[tuple[str, str], int], wanted: Assignment) -> tuple[str, str]:
    fits = [n for n in free if n[0] == wanted.tier and free[n] >= wanted.gpus_per_replica]
    assert fits, f"the plan is infeasible: {wanted} has no node"
    return max(sorted(fits), key=free.__getitem__)


def running(request: Request, plan: PlacementPlan, held: Mapping[str, int]) -> Request:
    to = plan.assignments.get(request.key)
    if to is None:
        return request
    return replace(
        request,
        current_tier=to.tier,
        current_tensor_parallel=to.tensor_parallel,
        current_replicas=to.replicas,
        held=held,
    )


def outcome(plan: PlacementPlan) -> dict[str, tuple[str, int, int]]:
    return {key: (a.tier, a.tensor_parallel, a.replicas) for key, a in plan.assignments.items()}


@given(newcomers(), fleets)
@calm
def test_every_plan_can_be_carried_out(requests: list[Request], fleet: list[Tier]) -> None:
    bind(fleet, requests, place(requests, fleet))


@given(newcomers(), fleets)
@calm
def test_every_assignment_fits_and_is_allowed(requests: list[Request], fleet: list[Tier]) -> None:
    plan = place(requests, fleet)
    for request in requests:
        to = plan.assignments.get(request.key)
        if to is not None:
            assert to.headroom_bytes >= 0
            assert not request.allowed_tiers or to.tier in request.allowed_tiers
            assert to.replicas + to.missing_replicas == request.replicas
            assert to.replicas or not request.replicas


@given(newcomers(), fleets)
@calm
def test_every_tier_is_taken_or_rejected_and_every_request_placed_or_failed(
    requests: list[Request], fleet: list[Tier]
) -> None:
    plan = place(requests, fleet)
    for request in requests:
        names = {tier.name for tier in fleet} | set(request.allowed_tiers)
        to = plan.assignments.get(request.key)
        told = {found.tier for found in plan.rejections[request.key]}
        assert told == names - ({to.tier} if to else set())
        assert (to is None) == (request.key in plan.failures)


@given(newcomers(), fleets, st.randoms(use_true_random=False))
@calm
def test_the_order_of_the_input_does_not_matter(
    requests: list[Request], fleet: list[Tier], chance: Random
) -> None:
    plan = place(requests, fleet)
    shuffled = [
        replace(tier, nodes=tuple(chance.sample(tier.nodes, len(tier.nodes))))
        for tier in chance.sample(fleet, len(fleet))
    ]
    again = place(chance.sample(requests, len(requests)), shuffled)
    assert outcome(again) == outcome(plan)
    assert dict(again.rejections) == dict(plan.rejections)
    assert {k: str(e) for k, e in again.failures.items()} == {
        k: str(e) for k, e in plan.failures.items()
    }


@given(newcomers(), fleets)
@calm_and_long
def test_once_every_pod_is_bound_placing_again_changes_nothing(
    requests: list[Request], fleet: list[Tier]
) -> None:
    plan = place(requests, fleet)
    bound_fleet, bound_requests = bind(fleet, requests, plan)
    assert outcome(place(bound_requests, bound_fleet)) == outcome(plan)


@given(newcomers(), fleets)
@calm_and_long
def test_while_the_pods_are_still_pending_placing_again_changes_nothing(
    requests: list[Request], fleet: list[Tier]
) -> None:
    plan = place(requests, fleet)
    pending = [running(request, plan, {}) for request in requests]
    assert outcome(place(pending, fleet)) == outcome(plan)


@given(newcomers(), newcomers(), fleets)
@calm
def test_newcomers_move_nobody_who_runs(
    residents: list[Request], strangers: list[Request], fleet: list[Tier]
) -> None:
    plan = place(residents, fleet)
    bound_fleet, bound = bind(fleet, residents, plan)
    settled = [request for request in bound if request.key in plan.assignments]
    urgent = [replace(each, key=f"new/{each.key}", priority=9) for each in strangers]
    after = outcome(place(settled + urgent, bound_fleet))
    for key, (tier, size, replicas) in outcome(plan).items():
        if replicas:
            assert after[key][:2] == (tier, size)
            assert after[key][2] >= replicas


@given(newcomers(), fleets, st.integers(1, 8))
@calm
def test_one_more_node_never_costs_a_lone_request_its_place(
    requests: list[Request], fleet: list[Tier], gpus: int
) -> None:
    richer = [
        replace(tier, nodes=(*tier.nodes, NodeCapacity(f"{tier.name}-new", gpus, gpus)))
        for tier in fleet
    ]
    for request in requests:
        before = place([request], fleet).assignments.get(request.key)
        after = place([request], richer).assignments.get(request.key)
        assert before is None or (after is not None and after.replicas >= before.replicas)


@given(newcomers(), fleets)
@calm
def test_a_cheaper_price_for_the_tier_it_took_keeps_a_lone_request_there(
    requests: list[Request], fleet: list[Tier]
) -> None:
    for request in requests:
        before = place([request], fleet).assignments.get(request.key)
        if before is not None:
            cheaper = [
                replace(tier, usd_per_gpu_hour=tier.usd_per_gpu_hour / 2)
                if tier.name == before.tier
                else tier
                for tier in fleet
            ]
            assert place([request], cheaper).assignments[request.key].tier == before.tier
