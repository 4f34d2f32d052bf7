"""Stories of who goes where and why not elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tierwise_core.errors import (
    InvalidPlacementError,
    NoCapacityError,
    NoTierFitsError,
    UnknownTierError,
)
from tierwise_core.placement import (
    NodeCapacity,
    PlacementPlan,
    RejectionCode,
    Request,
    Tier,
    place,
)
from tierwise_core.sizing import MemoryBreakdown

GIB = 2**30


def gib(amount: float) -> MemoryBreakdown:
    return MemoryBreakdown(int(amount * GIB), 0, 0, 0)


def cut(amount: float, *sizes: int) -> dict[int, MemoryBreakdown]:
    """A model of that many GiB, divided evenly over each number of GPUs."""
    return {size: gib(amount / size) for size in sizes}


def rtx(*free: int, total: int = 4) -> Tier:
    nodes = tuple(NodeCapacity(f"rtx-{i}", gpus, total) for i, gpus in enumerate(free))
    return Tier("rtx-4090", 24 * GIB, usd_per_gpu_hour=0.40, nodes=nodes)


def h100(*free: int, total: int = 2) -> Tier:
    nodes = tuple(NodeCapacity(f"h100-{i}", gpus, total) for i, gpus in enumerate(free))
    return Tier("h100", 80 * GIB, usd_per_gpu_hour=3.00, nodes=nodes)


def ask(key: str, memory: Mapping[int, MemoryBreakdown], **kwargs: Any) -> Request:
    return Request(key, memory=memory, **kwargs)


def why(plan: PlacementPlan, key: str, tier: str) -> tuple[RejectionCode, str]:
    found = next(each for each in plan.rejections[key] if each.tier == tier)
    return found.code, found.reason


def places(plan: PlacementPlan) -> dict[str, tuple[str, int, int]]:
    return {key: (to.tier, to.tensor_parallel, to.replicas) for key, to in plan.assignments.items()}


def test_the_cheapest_tier_that_fits_is_taken() -> None:
    plan = place([ask("a", cut(18, 1)), ask("b", cut(44, 1))], [h100(2), rtx(4)])
    assert places(plan) == {"a": ("rtx-4090", 1, 1), "b": ("h100", 1, 1)}


def test_two_cheap_gpus_beat_one_dear_one() -> None:
    plan = place([ask("a", cut(40, 1, 2, 4))], [h100(2), rtx(4)])
    assert places(plan) == {"a": ("rtx-4090", 2, 1)}
    assert plan.assignments["a"].usd_per_hour == pytest.approx(0.80)


def test_what_an_assignment_says_adds_up() -> None:
    got = place([ask("a", cut(18, 1), replicas=3)], [rtx(4)]).assignments["a"]
    assert got.usd_per_hour == pytest.approx(1.20)
    assert got.usable_bytes_per_gpu == int(24 * GIB * 0.9)
    assert got.headroom_bytes == got.usable_bytes_per_gpu - 18 * GIB
    assert (got.missing_replicas, got.kept, got.releases_first) == (0, False, False)


def test_equal_prices_are_decided_by_the_tier_s_name() -> None:
    nodes = (NodeCapacity("n", 1, 1),)
    other = Tier("a-tier", 24 * GIB, usd_per_gpu_hour=0.40, nodes=(NodeCapacity("m", 1, 1),))
    same = Tier("b-tier", 24 * GIB, usd_per_gpu_hour=0.40, nodes=nodes)
    assert place([ask("a", cut(1, 1))], [same, other]).assignments["a"].tier == "a-tier"


def test_the_higher_priority_is_served_first_then_the_earlier_name() -> None:
    small = cut(1, 1)
    asked = [ask("z", small, priority=5), ask("b", small), ask("a", small)]
    assert set(places(place(asked, [rtx(2)]))) == {"a", "z"}


def test_a_memory_that_fits_exactly_fits_and_one_byte_more_does_not() -> None:
    usable = int(24 * GIB * 0.9)
    exact, over = MemoryBreakdown(usable, 0, 0, 0), MemoryBreakdown(usable + 1, 0, 0, 0)
    plan = place([ask("a", {1: exact}), ask("b", {1: over})], [rtx(4)])
    assert set(plan.assignments) == {"a"}


def test_one_that_shall_sleep_learns_its_tier_and_takes_nothing() -> None:
    plan = place([ask("a", cut(44, 1), replicas=0), ask("b", cut(44, 1))], [h100(1), rtx(4)])
    assert places(plan) == {"a": ("h100", 1, 0), "b": ("h100", 1, 1)}


class TestFragmentation:
    def test_a_replica_takes_all_its_gpus_on_one_node(self) -> None:
        plan = place([ask("a", cut(80, 4))], [rtx(3, 3)])
        assert why(plan, "a", "rtx-4090") == (
            RejectionCode.NO_CAPACITY,
            "needs 4 free GPUs on one node, rtx-4090's node with most room (rtx-0) has 3 of 4 free",
        )

    def test_replicas_spread_over_nodes(self) -> None:
        assert places(place([ask("a", cut(40, 2), replicas=3)], [rtx(3, 3, 2)])) == {
            "a": ("rtx-4090", 2, 3)
        }

    def test_small_ones_make_room_for_a_large_one_that_comes_later(self) -> None:
        asked = [ask("a", cut(1, 1), replicas=2), ask("b", cut(80, 4))]
        assert set(places(place(asked, [rtx(4, 2)]))) == {"a", "b"}

    def test_when_not_all_replicas_fit_those_that_do_are_placed(self) -> None:
        got = place([ask("a", cut(40, 2), replicas=3)], [rtx(3, 3)]).assignments["a"]
        assert (got.replicas, got.missing_replicas) == (2, 1)

    def test_replicas_that_a_cheap_tier_has_no_room_for_go_to_a_dearer_one(self) -> None:
        got = place([ask("a", cut(18, 1), replicas=3)], [rtx(1), h100(2)]).assignments["a"]
        assert [(share.tier, share.replicas) for share in got.shares] == [
            ("h100", 2),
            ("rtx-4090", 1),
        ]
        assert (got.usd_per_hour, got.missing_replicas) == (pytest.approx(6.40), 0)

    def test_a_request_is_split_only_where_it_must_be(self) -> None:
        asked = [ask("a", cut(18, 1), replicas=2), ask("b", cut(18, 1), replicas=2)]
        plan = place(asked, [rtx(2, total=2), h100(2)])
        assert all(len(each.shares) == 1 for each in plan.assignments.values())


class TestReasons:
    def test_too_little_memory_in_numbers(self) -> None:
        plan = place([ask("ai/big", cut(38.2, 1))], [rtx(4)])
        assert why(plan, "ai/big", "rtx-4090") == (
            RejectionCode.TOO_SMALL,
            "needs 38.2 GiB per GPU, rtx-4090 has 24.0 GiB x 0.90 = 21.6 GiB usable",
        )

    def test_too_little_memory_however_it_is_cut(self) -> None:
        plan = place([ask("a", cut(160, 1, 2, 4))], [rtx(4)])
        assert why(plan, "a", "rtx-4090")[1] == (
            "needs 160.0 GiB per GPU (80.0 GiB on each of 2, 40.0 GiB on each of 4), rtx-4090 has "
            "24.0 GiB x 0.90 = 21.6 GiB usable"
        )

    def test_nodes_with_too_few_gpus(self) -> None:
        plan = place([ask("a", cut(80, 1, 2, 4))], [rtx(2, total=2)])
        assert why(plan, "a", "rtx-4090") == (
            RejectionCode.NODES_TOO_SMALL,
            "needs 4 GPUs on one node, rtx-4090's largest node has 2",
        )

    def test_a_tier_that_is_not_allowed(self) -> None:
        plan = place([ask("a", cut(1, 1), allowed_tiers=["h100"])], [rtx(4), h100(2)])
        assert why(plan, "a", "rtx-4090") == (
            RejectionCode.NOT_ALLOWED,
            "not in spec.placement.tiers [h100]",
        )

    def test_a_tier_that_costs_more(self) -> None:
        plan = place([ask("a", cut(1, 1))], [rtx(4), h100(2)])
        assert why(plan, "a", "h100") == (
            RejectionCode.MORE_EXPENSIVE,
            "fits at 3.00 USD per replica-hour, rtx-4090 costs 0.40",
        )

    def test_a_tier_whose_memory_nobody_knows(self) -> None:
        plan = place([ask("a", cut(1, 1))], [Tier("odd", 0, nodes=(NodeCapacity("n", 1, 1),))])
        assert why(plan, "a", "odd")[0] is RejectionCode.UNKNOWN_GPU
        assert "set spec.gpu.memory of GPUTier odd" in str(plan.failures["a"])

    def test_every_other_tier_has_a_reason(self) -> None:
        tiers = [rtx(4), h100(2), Tier("empty", 80 * GIB), Tier("odd", 0)]
        plan = place([ask("a", cut(1, 1), allowed_tiers=["rtx-4090", "typo"])], tiers)
        assert [each.tier for each in plan.rejections["a"]] == ["empty", "h100", "odd", "typo"]


class TestFailures:
    def test_no_tier_is_large_enough(self) -> None:
        failure = place([ask("ai/a", cut(500, 1))], [rtx(4), h100(2)]).failures["ai/a"]
        assert isinstance(failure, NoTierFitsError)
        assert not failure.retryable
        assert "rtx-4090: needs 500.0 GiB per GPU" in str(failure)
        assert "h100: needs 500.0 GiB per GPU" in str(failure)
        assert "spec.model.maxModelLen" in str(failure)

    def test_a_tier_is_large_enough_and_full(self) -> None:
        failure = place([ask("a", cut(44, 1))], [rtx(4), h100(0)]).failures["a"]
        assert isinstance(failure, NoCapacityError)
        assert failure.retryable
        assert "needs 1 free GPU on one node, h100's node with most room (h100-0) has 0" in str(
            failure
        )

    def test_nodes_that_are_not_ready_may_come_back(self) -> None:
        gone = Tier("h100", 80 * GIB, nodes=(NodeCapacity("n", 2, 2, ready=False),))
        failure = place([ask("a", cut(44, 1))], [gone]).failures["a"]
        assert isinstance(failure, NoCapacityError)
        assert "none of the 1 nodes of h100 is ready" in str(failure)

    def test_a_tier_without_nodes_may_get_some(self) -> None:
        failure = place([ask("a", cut(44, 1))], [Tier("h100", 80 * GIB)]).failures["a"]
        assert isinstance(failure, NoCapacityError)

    def test_a_tier_that_does_not_exist(self) -> None:
        asked = ask("a", cut(1, 1), allowed_tiers=["h10"])
        failure = place([asked], [rtx(4), h100(2)]).failures["a"]
        assert isinstance(failure, UnknownTierError)
        assert 'no GPUTier is named "h10"; did you mean h100?' in str(failure)

    def test_a_name_like_no_other_is_answered_with_those_there_are(self) -> None:
        asked = ask("a", cut(1, 1), allowed_tiers=["tpu"])
        failure = place([asked], [rtx(4), h100(2)]).failures["a"]
        assert "there are: h100, rtx-4090" in str(failure)

    def test_a_misspelt_tier_beside_a_good_one_does_not_matter_until_it_does(self) -> None:
        asked = ask("a", cut(1, 1), allowed_tiers=["h100", "h10"])
        assert places(place([asked], [h100(2)])) == {"a": ("h100", 1, 1)}
        assert isinstance(place([asked], [h100(0)]).failures["a"], NoCapacityError)

    def test_a_fleet_without_tiers(self) -> None:
        failure = place([ask("a", cut(1, 1))], []).failures["a"]
        assert isinstance(failure, NoTierFitsError)
        assert "create one" in str(failure)

    def test_one_that_fits_nowhere_disturbs_no_other(self) -> None:
        asked = [ask("bad", cut(500, 1), priority=9), ask("good", cut(1, 1))]
        plan = place(asked, [rtx(1)])
        assert (set(plan.assignments), set(plan.failures)) == ({"good"}, {"bad"})


class TestBadInput:
    def test_two_requests_of_one_name(self) -> None:
        with pytest.raises(InvalidPlacementError, match=r"each request .* twice: \['a'\]"):
            place([ask("a", cut(1, 1)), ask("a", cut(1, 1))], [])

    def test_two_tiers_of_one_name(self) -> None:
        with pytest.raises(InvalidPlacementError, match=r"each tier .* twice: \['h100'\]"):
            place([], [h100(1), h100(2)])

    def test_two_tiers_that_claim_one_node_count_it_once(self) -> None:
        nodes = (NodeCapacity("n", 1, 1),)
        tiers = [Tier(name, 80 * GIB, nodes=nodes) for name in ("b", "a")]
        plan = place([ask("x", cut(1, 1)), ask("y", cut(1, 1))], tiers)
        assert places(plan) == {"x": ("a", 1, 1)}
        assert len(plan.problems) == 1
        assert "node n matches GPUTiers a and b and counts for a alone" in plan.problems[0]

    def test_two_tiers_of_different_resources_share_a_node(self) -> None:
        nodes = (NodeCapacity("n", 1, 1),)
        whole = Tier("a", 80 * GIB, nodes=nodes)
        slices = Tier("b", 80 * GIB, nodes=nodes, resource_name="nvidia.com/mig-1g.10gb")
        plan = place([ask("x", cut(1, 1)), ask("y", cut(1, 1))], [whole, slices])
        assert len(plan.assignments) == 2
        assert plan.problems == ()

    def test_a_node_that_is_overbooked_has_nothing_free(self) -> None:
        plan = place([ask("x", cut(1, 1))], [h100(-1)])
        assert isinstance(plan.failures["x"], NoCapacityError)
