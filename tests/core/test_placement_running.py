"""Stories of who stays, who moves and who makes way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tierwise_core.placement import (
    NodeCapacity,
    PlacementPlan,
    Policy,
    RejectionCode,
    Request,
    Running,
    Tier,
    place,
)
from tierwise_core.sizing import MemoryBreakdown

GIB = 2**30
TOO_SMALL = "the saving is too small to move what runs"


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


def at(tier: str) -> Running:
    """One replica that runs on the only node of a tier, which has the tier's name."""
    return Running(tier, 1, 1, {tier: 1})


def why(plan: PlacementPlan, key: str, tier: str) -> tuple[RejectionCode, str]:
    found = next(each for each in plan.rejections[key] if each.tier == tier)
    return found.code, found.reason


def places(plan: PlacementPlan) -> dict[str, tuple[str, int, int]]:
    return {key: (to.tier, to.tensor_parallel, to.replicas) for key, to in plan.assignments.items()}


def resident(key: str = "a", **kwargs: Any) -> Request:
    defaults: dict[str, Any] = {"running": (Running("h100", 1, 1, {"h100-0": 1}),)}
    return ask(key, cut(18, 1), **(defaults | kwargs))


def test_it_stays_where_another_tier_is_cheaper_by_too_little() -> None:
    other = replace(rtx(4), usd_per_gpu_hour=2.40)
    plan = place([resident()], [other, h100(1)])
    assert places(plan) == {"a": ("h100", 1, 1)}
    assert plan.assignments["a"].primary.kept == 1
    assert plan.moves == ()
    assert why(plan, "a", "rtx-4090") == (
        RejectionCode.RUNS_ELSEWHERE,
        f"fits at 2.40 USD per replica-hour, h100 costs 3.00; {TOO_SMALL}",
    )


def test_it_moves_where_that_saves_more_than_the_threshold() -> None:
    plan = place([resident()], [rtx(4), h100(1)])
    assert places(plan) == {"a": ("rtx-4090", 1, 1)}
    (move,) = plan.moves
    assert (move.from_tier, move.to_tier, move.replicas) == ("h100", "rtx-4090", 1)
    assert move.saves_usd_per_hour == pytest.approx(2.60)
    assert move.reason == "costs 0.40 USD per replica-hour there, 3.00 here"
    assert not plan.assignments["a"].releases_first


def test_the_policy_says_what_a_move_must_bring() -> None:
    never = Policy(move_threshold_fraction=0.9)
    assert places(place([resident()], [rtx(4), h100(1)], never)) == {"a": ("h100", 1, 1)}
    dear = Policy(move_threshold_fraction=0, move_penalty_usd_per_hour=2.6)
    assert places(place([resident()], [rtx(4), h100(1)], dear)) == {"a": ("h100", 1, 1)}


def test_one_whose_room_was_needed_comes_after_those_who_leave() -> None:
    large = ask("vip", cut(44, 1))
    plan = place([resident(), large], [rtx(4), h100(0, total=1)])
    assert places(plan) == {"a": ("rtx-4090", 1, 1), "vip": ("h100", 1, 1)}


def test_it_stays_although_a_higher_priority_needs_its_gpu() -> None:
    vip = ask("vip", cut(44, 1), priority=100)
    plan = place([resident(), vip], [h100(0, total=1)])
    assert (set(plan.assignments), set(plan.failures)) == ({"a"}, {"vip"})


def test_it_makes_way_for_a_higher_priority_where_the_policy_says_so() -> None:
    vip = ask("vip", cut(44, 1), priority=100)
    slow = replace(rtx(4), usd_per_gpu_hour=9.0)
    plan = place([resident(), vip], [h100(0, total=1), slow], Policy(preempt=True))
    assert places(plan) == {"a": ("rtx-4090", 1, 1), "vip": ("h100", 1, 1)}
    assert plan.moves[0].reason == "makes way for a higher priority"


def test_it_stops_for_a_higher_priority_where_it_fits_nowhere_else() -> None:
    vip = ask("vip", cut(44, 1), priority=100)
    plan = place([resident(), vip], [h100(0, total=1)], Policy(preempt=True))
    assert (set(plan.assignments), set(plan.failures)) == ({"vip"}, {"a"})
    assert plan.moves[0].to_tier is None
    assert "for a higher priority" in plan.moves[0].reason


def test_it_makes_no_way_for_its_equals() -> None:
    equal = ask("vip", cut(44, 1))
    plan = place([resident(), equal], [h100(0, total=1)], Policy(preempt=True))
    assert set(plan.assignments) == {"a"}


def test_it_moves_when_its_tier_is_not_allowed_any_more() -> None:
    plan = place([resident(allowed_tiers=["rtx-4090"])], [rtx(4), h100(1)])
    assert places(plan) == {"a": ("rtx-4090", 1, 1)}
    assert plan.moves[0].reason == "h100 is not in spec.placement.tiers any more"


def test_it_moves_when_it_does_not_fit_any_more() -> None:
    grown = Request("a", memory=cut(44, 1), running=(Running("rtx-4090", 1, 1, {"rtx-0": 1}),))
    plan = place([grown], [rtx(3), h100(2)])
    assert places(plan) == {"a": ("h100", 1, 1)}
    assert plan.moves[0].reason == "it does not fit rtx-4090 on 1 GPU any more"


def test_it_moves_when_its_tier_has_no_node_any_more() -> None:
    plan = place([resident()], [rtx(4), Tier("h100", 80 * GIB)])
    assert places(plan) == {"a": ("rtx-4090", 1, 1)}
    assert plan.moves[0].reason == "h100 has no node any more that is ready"


def test_what_a_tier_has_taught_counts_there() -> None:
    learned = resident(memory_by_tier={"rtx-4090": cut(23, 1)})
    assert places(place([learned], [rtx(4), h100(1)])) == {"a": ("h100", 1, 1)}


def test_a_measured_answer_counts_for_more_than_the_price() -> None:
    asked = ask("a", cut(18, 1), usd_per_accepted={"rtx-4090": 0.02, "h100": 0.01})
    plan = place([asked], [rtx(4), h100(1)])
    assert places(plan) == {"a": ("h100", 1, 1)}
    assert plan.usd_per_hour == pytest.approx(3.0)
    assert "0.020000 USD per accepted answer" in why(plan, "a", "rtx-4090")[1]


def test_it_moves_when_its_node_is_lost() -> None:
    lost = Tier("h100", 80 * GIB, nodes=(NodeCapacity("h100-0", 1, 2, ready=False),))
    assert places(place([resident()], [rtx(4), lost])) == {"a": ("rtx-4090", 1, 1)}


def test_it_comes_back_on_another_node_of_its_tier() -> None:
    nodes = (NodeCapacity("h100-0", 1, 2, ready=False), NodeCapacity("h100-1", 1, 2))
    tier = Tier("h100", 80 * GIB, usd_per_gpu_hour=0.30, nodes=nodes)
    assert places(place([resident()], [rtx(4), tier])) == {"a": ("h100", 1, 1)}


def test_it_stays_on_a_cordoned_node_whose_gpus_nobody_gets_when_it_leaves() -> None:
    cordoned = NodeCapacity("h100-0", 0, 2, schedulable=False)
    tier = Tier("h100", 80 * GIB, usd_per_gpu_hour=3.0, nodes=(cordoned,))
    stays = place([resident()], [tier])
    assert stays.assignments["a"].primary.kept == 1
    large = ask("large", cut(44, 1))
    left = place([resident(), large], [rtx(4), tier])
    assert places(left) == {"a": ("rtx-4090", 1, 1)}


def test_of_four_on_a_node_that_lost_a_gpu_three_stay() -> None:
    four = Request("a", replicas=4, memory=cut(18, 1), running=(Running("h100", 1, 4, {"n": 4}),))
    tier = Tier("h100", 80 * GIB, usd_per_gpu_hour=0.3, nodes=(NodeCapacity("n", 0, 3),))
    got = place([four], [rtx(4), tier]).assignments["a"]
    assert [(share.tier, share.replicas, share.kept) for share in got.shares] == [
        ("h100", 3, 3),
        ("rtx-4090", 1, 0),
    ]


def test_it_goes_first_and_comes_back_larger_when_there_is_no_room_for_both() -> None:
    larger = Request("a", memory=cut(80, 4), running=(Running("rtx-4090", 2, 1, {"rtx-0": 2}),))
    got = place([larger], [rtx(2)]).assignments["a"]
    assert (got.tensor_parallel, got.releases_first) == (4, True)


def test_two_that_want_each_other_s_gpus_for_the_money_stay() -> None:
    one = Tier("one", 24 * GIB, usd_per_gpu_hour=1.0, nodes=(NodeCapacity("one", 0, 1),))
    two = Tier("two", 24 * GIB, usd_per_gpu_hour=1.0, nodes=(NodeCapacity("two", 0, 1),))
    answers = {"one": 0.01, "two": 0.03}
    asked = [
        Request("a", memory=cut(9, 1), usd_per_accepted=answers, running=(at("two"),)),
        Request(
            "b",
            memory=cut(9, 1),
            usd_per_accepted={"one": 0.03, "two": 0.01},
            running=(at("one"),),
        ),
    ]
    plan = place(asked, [one, two])
    assert places(plan) == {"a": ("two", 1, 1), "b": ("one", 1, 1)}
    assert plan.moves == ()


def test_what_cannot_stay_and_waits_for_another_lets_go_first() -> None:
    one = Tier("one", 24 * GIB, usd_per_gpu_hour=1.0, nodes=(NodeCapacity("one", 0, 1),))
    two = Tier("two", 24 * GIB, usd_per_gpu_hour=1.0, nodes=(NodeCapacity("two", 0, 1),))
    asked = [
        Request("a", memory=cut(9, 1), allowed_tiers=["one"], running=(at("two"),)),
        Request("b", memory=cut(9, 1), allowed_tiers=["two"], running=(at("one"),)),
    ]
    plan = place(asked, [one, two])
    assert places(plan) == {"a": ("one", 1, 1), "b": ("two", 1, 1)}
    assert [plan.assignments[key].releases_first for key in "ab"] == [True, False]


def test_it_grows_onto_a_second_tier_where_its_own_is_full() -> None:
    cheap = replace(rtx(1), usd_per_gpu_hour=2.9)
    plan = place([resident(replicas=3)], [h100(1), cheap])
    got = plan.assignments["a"]
    assert [(share.tier, share.replicas, share.kept) for share in got.shares] == [
        ("h100", 2, 1),
        ("rtx-4090", 1, 0),
    ]
    assert got.usd_per_hour == pytest.approx(8.9)


def test_it_keeps_what_runs_when_there_is_no_room_to_grow() -> None:
    got = place([resident(replicas=3)], [h100(1)]).assignments["a"]
    assert (got.replicas, got.missing_replicas) == (2, 1)


def test_growth_waits_behind_a_higher_priority() -> None:
    vip = ask("vip", cut(44, 1), priority=1)
    plan = place([resident(replicas=2), vip], [h100(1)])
    assert places(plan) == {"a": ("h100", 1, 1), "vip": ("h100", 1, 1)}


def test_pods_that_start_are_counted_before_they_are_bound() -> None:
    starting = resident(running=(Running("h100", 1, 1),))
    plan = place([starting, ask("b", cut(44, 1), priority=9)], [h100(1)])
    assert places(plan) == {"a": ("h100", 1, 1)}


def test_a_move_under_way_does_not_turn_back() -> None:
    moving = resident(running=(Running("rtx-4090", 1, 1), Running("h100", 1, 1, {"h100-0": 1})))
    slow = replace(rtx(4), usd_per_gpu_hour=3.1)
    assert places(place([moving], [slow, h100(1)])) == {"a": ("rtx-4090", 1, 1)}


def test_where_more_runs_than_is_wanted_the_last_ones_leave() -> None:
    fewer = resident(running=(Running("h100", 1, 3, {"h100-0": 1, "h100-1": 2}),))
    plan = place([fewer, ask("b", cut(44, 1), replicas=2)], [h100(0, 0)])
    assert places(plan) == {"a": ("h100", 1, 1), "b": ("h100", 1, 2)}


def test_asleep_it_keeps_its_tier_and_takes_nothing() -> None:
    asleep = resident(replicas=0, running=(Running("h100", 1, 0),))
    plan = place([asleep, ask("b", cut(44, 1))], [h100(1), rtx(4)])
    assert places(plan) == {"a": ("h100", 1, 0), "b": ("h100", 1, 1)}
    assert plan.assignments["a"].usd_per_hour == 0


def test_awake_again_it_may_go_where_there_is_room() -> None:
    waking = resident(replicas=1, running=(Running("h100", 1, 0),))
    assert places(place([waking], [h100(0), rtx(4)])) == {"a": ("rtx-4090", 1, 1)}


def test_a_tier_that_was_deleted_lets_its_pods_go() -> None:
    orphan = resident(running=(Running("gone", 1, 1, {"h100-0": 1}),))
    assert places(place([orphan], [h100(0)])) == {"a": ("h100", 1, 1)}


def test_one_that_spans_nodes_takes_its_gpus_on_each() -> None:
    wide = ask("a", cut(80, 4), nodes_per_replica=2, replicas=2)
    plan = place([wide], [rtx(4, 4, 3)])
    got = plan.assignments["a"]
    assert (got.replicas, got.missing_replicas, got.gpus_per_replica) == (1, 1, 8)
    assert got.usd_per_hour == pytest.approx(3.20)
    held = (Running("rtx-4090", 4, 1, {"rtx-0": 4, "rtx-1": 4}),)
    again = place([replace(wide, running=held)], [rtx(0, 0, 3)])
    assert again.assignments["a"].primary.kept == 1
