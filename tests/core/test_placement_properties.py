"""What holds of every plan, whatever the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from bound import bind, outcome, pending, placed
from fleets import fleets, newcomers
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.placement import NodeCapacity, PlacementPlan, Policy, Request, Tier, place

some = settings(deadline=None, max_examples=60)
many = settings(deadline=None, max_examples=150)
policies = st.sampled_from([Policy(), Policy(preempt=True)])


@given(newcomers(), fleets)
@many
def test_every_plan_can_be_carried_out(requests: list[Request], fleet: list[Tier]) -> None:
    bind(fleet, requests, place(requests, fleet))


@given(newcomers(), newcomers(), fleets, policies)
@many
def test_every_plan_for_a_fleet_that_runs_can_be_carried_out(
    residents: list[Request], strangers: list[Request], fleet: list[Tier], policy: Policy
) -> None:
    now, settled = bind(fleet, residents, place(residents, fleet))
    cheap = [
        replace(
            tier,
            usd_per_gpu_hour=4 - tier.usd_per_gpu_hour,
            nodes=(
                *(replace(each, gpus_free=0, schedulable=False) for each in tier.nodes[:1]),
                *tier.nodes[1:],
            ),
        )
        for tier in now
    ]
    asked = [*settled, *(replace(each, key=f"new/{each.key}") for each in strangers)]
    bind(cheap, asked, place(asked, cheap, policy))


@given(newcomers(), fleets)
@some
def test_every_assignment_fits_and_is_allowed(requests: list[Request], fleet: list[Tier]) -> None:
    plan = place(requests, fleet)
    for request in requests:
        to = plan.assignments.get(request.key)
        if to is not None:
            assert all(share.headroom_bytes >= 0 for share in to.shares)
            assert not request.allowed_tiers or {s.tier for s in to.shares} <= set(
                request.allowed_tiers
            )
            assert to.placed_replicas + to.missing_replicas == request.replicas
            assert to.replicas or not request.replicas
            assert to.usd_per_hour == pytest.approx(sum(s.usd_per_hour for s in to.shares))


@given(newcomers(), fleets)
@some
def test_every_tier_is_taken_or_rejected_and_every_request_placed_or_failed(
    requests: list[Request], fleet: list[Tier]
) -> None:
    plan = place(requests, fleet)
    for request in requests:
        names = {tier.name for tier in fleet} | set(request.allowed_tiers)
        to = plan.assignments.get(request.key)
        told = {found.tier for found in plan.rejections[request.key]}
        assert told == names - ({share.tier for share in to.shares} if to else set())
        assert (to is None) == (request.key in plan.failures)


@given(newcomers(), fleets, st.randoms(use_true_random=False))
@some
def test_the_order_of_the_input_does_not_matter(
    requests: list[Request], fleet: list[Tier], chance: Random
) -> None:
    now, asked = bind(fleet, requests[::2], place(requests[::2], fleet))
    asked += requests[1::2]
    asked += [replace(each, key=f"twin/{each.key}", running=()) for each in requests]
    plan = place(asked, now)
    shuffled = [
        replace(tier, nodes=tuple(chance.sample(tier.nodes, len(tier.nodes))))
        for tier in chance.sample(now, len(now))
    ]
    again = place(chance.sample(asked, len(asked)), shuffled)
    assert dict(again.assignments) == dict(plan.assignments)
    assert again.moves == plan.moves
    assert dict(again.rejections) == dict(plan.rejections)
    assert {k: str(e) for k, e in again.failures.items()} == {
        k: str(e) for k, e in plan.failures.items()
    }


@given(newcomers(), fleets, policies)
@many
def test_once_every_pod_is_bound_placing_again_changes_nothing(
    requests: list[Request], fleet: list[Tier], policy: Policy
) -> None:
    plan = place(requests, fleet, policy)
    bound_fleet, bound_requests = bind(fleet, requests, plan)
    again = place(bound_requests, bound_fleet, policy)
    assert outcome(again) == outcome(plan)
    assert again.moves == ()


@given(newcomers(), fleets)
@many
def test_while_the_pods_are_still_pending_placing_again_changes_nothing(
    requests: list[Request], fleet: list[Tier]
) -> None:
    plan = place(requests, fleet)
    assert outcome(place(pending(requests, plan), fleet)) == outcome(plan)


@given(newcomers(), newcomers(), fleets)
@many
def test_once_the_moves_are_made_placing_again_changes_nothing(
    residents: list[Request], strangers: list[Request], fleet: list[Tier]
) -> None:
    now, settled = bind(fleet, residents, place(residents, fleet))
    turned = [replace(tier, usd_per_gpu_hour=4 - tier.usd_per_gpu_hour) for tier in now]
    asked = [*settled, *(replace(each, key=f"new/{each.key}") for each in strangers)]
    plan = place(asked, turned)
    after, moved = bind(turned, asked, plan)
    assert outcome(place(moved, after)) == outcome(plan)


@given(newcomers(), newcomers(), fleets)
@some
def test_newcomers_stop_nobody_who_runs(
    residents: list[Request], strangers: list[Request], fleet: list[Tier]
) -> None:
    plan = place(residents, fleet)
    now, bound = bind(fleet, residents, plan)
    settled = [request for request in bound if request.key in plan.assignments]
    urgent = [replace(each, key=f"new/{each.key}", priority=9) for each in strangers]
    after = place(settled + urgent, now)
    for key, before in plan.assignments.items():
        assert after.assignments[key].placed_replicas >= before.placed_replicas
        assert {s.tier for s in before.shares if s.replicas} <= {
            s.tier for s in after.assignments[key].shares if s.kept or not s.replicas
        }


@given(newcomers(), fleets, st.lists(st.floats(0.9, 1.1), min_size=4, max_size=4))
@many
def test_prices_that_change_a_little_move_nothing(
    requests: list[Request], fleet: list[Tier], factors: Sequence[float]
) -> None:
    alike = [replace(t, usd_per_gpu_hour=1.0, gpu_memory_bytes=2**37) for t in fleet]
    plan = place(requests, alike)
    now, settled = bind(alike, requests, plan)
    noisy = [
        replace(tier, usd_per_gpu_hour=tier.usd_per_gpu_hour * factor)
        for tier, factor in zip(now, factors, strict=False)
    ]
    again = place(settled, noisy)
    assert again.moves == ()
    assert outcome(again) == outcome(plan)


@given(newcomers(), fleets)
@some
def test_more_of_a_higher_priority_is_placed_whatever_the_lower_ones_ask(
    requests: list[Request], fleet: list[Tier]
) -> None:
    plan = place(requests, fleet)
    for least in (1, 2):
        alone = [request for request in requests if request.priority >= least]
        assert placed(alone, plan) == placed(alone, place(alone, fleet))


@given(newcomers(), fleets, st.integers(1, 8))
@many
def test_one_more_node_places_no_fewer_and_costs_no_more(
    requests: list[Request], fleet: list[Tier], gpus: int
) -> None:
    before = place(requests, fleet)
    for tier in fleet:
        more = (*tier.nodes, NodeCapacity(f"{tier.name}-new", gpus, gpus))
        richer = [replace(t, nodes=more) if t.name == tier.name else t for t in fleet]
        after = place(requests, richer)
        assert placed(requests, after) >= placed(requests, before)
        if placed(requests, after) == placed(requests, before):
            assert after.usd_per_hour <= before.usd_per_hour + 1e-6


@given(newcomers(), fleets)
@many
def test_a_lower_price_never_costs_more(requests: list[Request], fleet: list[Tier]) -> None:
    before = place(requests, fleet)
    for tier in fleet:
        cheaper = [
            replace(t, usd_per_gpu_hour=t.usd_per_gpu_hour / 2) if t.name == tier.name else t
            for t in fleet
        ]
        after = place(requests, cheaper)
        assert placed(requests, after) == placed(requests, before)
        assert after.usd_per_hour <= before.usd_per_hour + 1e-6


@given(newcomers(), fleets)
@some
def test_a_cheaper_price_for_the_tier_it_took_keeps_a_lone_request_there(
    requests: list[Request], fleet: list[Tier]
) -> None:
    for request in requests:
        before: PlacementPlan = place([request], fleet)
        to = before.assignments.get(request.key)
        if to is not None:
            cheaper = [
                replace(t, usd_per_gpu_hour=t.usd_per_gpu_hour / 2) if t.name == to.tier else t
                for t in fleet
            ]
            after = place([request], cheaper).assignments[request.key]
            assert {(s.tier, s.replicas) for s in to.shares if s.tier == to.tier} <= {
                (s.tier, s.replicas) for s in after.shares
            }
