"""How many replicas fit beside what is planned, against an exhaustive search."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.placement import NodeCapacity, Tier
from tierwise_core.tier_capacity import TierCapacity

calm = settings(deadline=None)


def capacity_of(free: Sequence[int]) -> TierCapacity:
    nodes = tuple(NodeCapacity(f"n{i}", gpus, 8) for i, gpus in enumerate(free))
    return TierCapacity(Tier("t", 1, nodes=nodes))


def fits(free: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    """Whether there is any way at all, by trying every node for every replica."""
    if not sizes:
        return True
    first, rest = sizes[0], sizes[1:]
    return any(
        gpus >= first and fits((*free[:i], gpus - first, *free[i + 1 :]), rest)
        for i, gpus in enumerate(free)
    )


frees = st.lists(st.integers(0, 8), max_size=3)


@given(frees, st.lists(st.sampled_from([1, 2, 4, 8]), max_size=6))
@calm
def test_sizes_that_divide_each_other_are_taken_whenever_there_is_a_way(
    free: list[int], sizes: list[int]
) -> None:
    capacity = capacity_of(free)
    taken: tuple[int, ...] = ()
    for size in sizes:
        there_is_a_way = fits(tuple(free), (*taken, size))
        assert (capacity.room(size) > 0) == there_is_a_way
        if there_is_a_way:
            capacity.take(size, 1)
            taken = (*taken, size)


@given(frees, st.lists(st.sampled_from([1, 2, 3, 5, 6]), max_size=6))
@calm
def test_other_sizes_are_never_taken_where_there_is_none(free: list[int], sizes: list[int]) -> None:
    capacity = capacity_of(free)
    taken: tuple[int, ...] = ()
    for size in sizes:
        if capacity.room(size):
            capacity.take(size, 1)
            taken = (*taken, size)
            assert fits(tuple(free), taken)


@given(frees, st.sampled_from([1, 2, 3, 4, 8]))
@calm
def test_room_is_what_can_be_taken(free: list[int], size: int) -> None:
    capacity = capacity_of(free)
    room = capacity.room(size)
    assert room == sum(gpus // size for gpus in free)
    capacity.take(size, room)
    assert (capacity.room(size), capacity.sound()) == (0, True)
    capacity.take(size, -room)
    assert capacity.room(size) == room


def test_what_leaves_a_node_is_room_until_it_stays_after_all() -> None:
    capacity = TierCapacity(Tier("t", 1, nodes=(NodeCapacity("n", 1, 4),)))
    assert capacity.settle("n", 3, 1) == 1
    assert capacity.room(4) == 0
    capacity.vacate("n", 3)
    assert capacity.room(4) == 1
    capacity.take(2, 1)
    capacity.occupy("n", 3)
    assert not capacity.sound()
    capacity.take(2, -1)
    assert capacity.sound()


def test_a_node_that_lost_gpus_keeps_only_what_it_still_has_room_for() -> None:
    nodes = (NodeCapacity("up", 0, 3), NodeCapacity("down", 0, 4, ready=False))
    capacity = TierCapacity(Tier("t", 1, nodes=nodes))
    assert (capacity.settle("up", 1, 4), capacity.settle("down", 1, 4)) == (3, 0)
    capacity.release("up", 1)
    assert capacity.room(1) == 0


def test_a_cordoned_node_frees_nothing() -> None:
    cordoned = NodeCapacity("n", 0, 4, schedulable=False)
    capacity = TierCapacity(Tier("t", 1, nodes=(cordoned,)))
    assert capacity.settle("n", 2, 1) == 1
    capacity.vacate("n", 2)
    assert capacity.room(1) == 0
    assert not capacity.release("elsewhere", 1)
