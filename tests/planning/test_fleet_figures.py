"""The figures of a plan: reasons, tiers' use, changes, the all-frontier fleet, speeds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.cost import usd_per_1k_tokens
from tierwise_core.fleet import GPUTier, Node
from tierwise_core.fleet_changes import Mark, Place, changes, places_now, places_planned
from tierwise_core.fleet_plan import Fleet, plan_fleet
from tierwise_core.fleet_report import FleetReport, all_frontier, report
from tierwise_core.linear import Linear, Part
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.placement import Running
from tierwise_core.replica_speed import Speed
from tierwise_core.specialist import ModelSpec, PlacementSpec, ReadingFailed, Specialist

GPU = "nvidia.com/gpu"
GIB = 2**30


def specialist(name: str, gib: int = 4, replicas: int = 1, **more: Any) -> Specialist:
    size = SizeOverrides(weights_bytes=gib * GIB, kv_bytes_per_token=1024)
    model = ModelSpec(f"hf://acme/{name}", max_model_len_tokens=1024, size=size)
    placement = PlacementSpec(min_replicas=replicas, tensor_parallel=1)
    return Specialist("ai", name, "u", 1, **{"model": model, "placement": placement} | more)


def fleet(*specialists: Specialist, **more: Any) -> Fleet:
    return Fleet(
        **{
            "specialists": specialists,
            "readings": {sp.key: ReadingFailed("SourceNotFound", "") for sp in specialists},
            "tiers": (
                GPUTier(
                    "l4", memory_bytes=24 * GIB, node_selector={"g": "l4"}, usd_per_gpu_hour=0.4
                ),
                GPUTier(
                    "h100", memory_bytes=80 * GIB, node_selector={"g": "h"}, usd_per_gpu_hour=3
                ),
            ),
            "nodes": (
                Node("l", {"g": "l4"}, {GPU: 4}),
                Node("h", {"g": "h"}, {GPU: 4}),
                Node("shut", {"g": "h"}, {GPU: 2}, cordoned=True),
            ),
        }
        | more
    )


def figures(planned: Fleet, **bandwidths: float) -> FleetReport:
    return report(planned, plan_fleet(planned), bandwidths or {"l4": 300, "h100": 3350})


def test_a_tiers_gpus_add_up() -> None:
    found = figures(fleet(specialist("a", replicas=3), specialist("b", 40), use={"h": {GPU: 1}}))
    rows = {row.name: row for row in found.tiers}

    assert [row.name for row in found.tiers] == ["l4", "h100"]
    assert (rows["l4"].used, rows["l4"].free, rows["l4"].others) == (3, 1, 0)
    h100 = rows["h100"]
    assert (h100.gpus, h100.closed, h100.used, h100.others, h100.free) == (6, 2, 1, 1, 2)
    assert h100.utilization == pytest.approx(2 / 6)


def test_our_own_pods_are_not_counted_as_others() -> None:
    running = {"ai/a": (Running("l4", 1, 1, {"l": 1}),)}
    found = figures(fleet(specialist("a"), use={"l": {GPU: 2}}, holdings=running))
    assert next(row.others for row in found.tiers if row.name == "l4") == 1


def test_what_starts_stays_changes_and_stops_is_told_apart() -> None:
    running = {
        "ai/stays": (Running("l4", 1, 1),),
        "ai/grows": (Running("l4", 1, 1),),
        "ai/gone": (Running("h100", 2, 1),),
        "ai/rests": (Running("l4", 1, 1),),
    }
    now = fleet(
        specialist("stays"),
        specialist("grows", replicas=2),
        specialist("starts"),
        specialist("rests", replicas=0),
        holdings=running,
    )
    prices = {tier.name: tier.usd_per_gpu_hour for tier in now.tiers}
    found = {
        change.key: change for change in changes(places_now(now), plan_fleet(now), prices, prices)
    }

    assert {key: change.mark for key, change in found.items()} == {
        "ai/stays": Mark.STAYS,
        "ai/grows": Mark.CHANGES,
        "ai/starts": Mark.STARTS,
        "ai/gone": Mark.STOPS,
        "ai/rests": Mark.STOPS,
    }
    assert found["ai/gone"].usd_per_hour == -6.0
    assert found["ai/gone"].reason == "removed"
    assert found["ai/rests"].reason == "nothing is wanted of it"
    assert found["ai/grows"].reason == "1 replica more"


def test_a_replica_over_several_nodes_counts_all_its_gpus() -> None:
    wide = specialist("wide", placement=PlacementSpec(nodes_per_replica=2))
    now = fleet(wide, holdings={"ai/wide": (Running("h100", 4, 1),)})
    assert places_now(now) == {"ai/wide": (Place("h100", 8, 1),)}


def test_what_sleeps_has_a_tier_and_no_place() -> None:
    asleep = plan_fleet(fleet(specialist("a", replicas=0)))
    assert "ai/a" in asleep.placements.assignments
    assert places_planned(asleep) == {}


def test_of_a_mixture_of_experts_only_those_that_are_asked_are_read() -> None:
    def speed(used: int) -> float:
        expert = Linear("w1", 1000, 1000, count=64, used=used, part=Part.EXPERT)
        metadata = ModelMetadata(
            "X", 8 * GIB, 10**9, 1, 1, 1, 1, 8, 8, 4096, 2, "bfloat16", 1024, linears=(expert,)
        )
        dense = fleet(specialist("a"))
        read = fleet(specialist("a"), readings={"ai/a": metadata})
        assert figures(dense).placed[0].speeds[0] is not None
        (placed,) = figures(read).placed
        found = placed.speeds[0]
        assert found is not None
        return found.tokens_per_second

    assert speed(1) > 2 * speed(64)


def test_a_tier_without_a_bandwidth_has_no_price_per_token() -> None:
    found = figures(fleet(specialist("a"), specialist("b", 40)), h100=3350.0)
    by_name = {placed.key: placed.usd_per_1k_tokens for placed in found.placed}
    assert by_name["ai/a"] is None
    assert by_name["ai/b"] is not None


def test_a_figure_measured_elsewhere_does_not_count() -> None:
    status = {"placement": {"tier": "h100"}, "performance": {"generationTokensPerSecond": 9.0}}
    (placed,) = figures(fleet(specialist("a", status=status))).placed
    assert placed.assignment.tier == "l4"
    assert not placed.measured


@given(st.floats(1, 1e6), st.floats(1, 1e5), st.integers(1, 8), st.floats(0.01, 10))
def test_the_all_frontier_fleet_is_enough_and_not_one_replica_more(
    needed: float, speed: float, gpus: int, price: float
) -> None:
    found = all_frontier("ai/f", "h100", gpus, price, Speed(speed), needed=needed)

    assert found.replicas * speed >= needed * (1 - 1e-6)
    assert (found.replicas - 1) * speed < needed or found.replicas == 1
    assert found.usd_per_1k_tokens == pytest.approx(usd_per_1k_tokens(found.gpus, price, needed))


def test_one_model_alone_is_compared_with_nothing() -> None:
    assert figures(fleet(specialist("a"))).frontier is None


def test_the_frontier_is_the_largest_generalist_not_the_largest_model() -> None:
    found = figures(
        fleet(
            specialist("small", 4, field="general"),
            specialist("large", 8, field="general"),
            specialist("huge", 40, field="law"),
        )
    )
    assert found.frontier is not None
    assert found.frontier.key == "ai/large"
