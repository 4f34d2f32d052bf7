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
        assert capacity.take(size, 1) == int(there_is_a_way)
        taken = (*taken, size) if there_is_a_way else taken


@given(frees, st.lists(st.sampled_from([1, 2, 3, 5, 6]), max_size=6))
@calm
def test_other_sizes_are_never_taken_where_there_is_none(free: list[int], sizes: list[int]) -> None:
    capacity = capacity_of(free)
    taken: tuple[int, ...] = ()
    for size in sizes:
        if capacity.take(size, 1):
            taken = (*taken, size)
            assert fits(tuple(free), taken)


@given(frees, st.sampled_from([1, 2, 3, 4, 8]), st.integers(0, 9))
@calm
def test_room_is_what_can_be_taken(free: list[int], size: int, wanted: int) -> None:
    room = capacity_of(free).room(size, wanted)
    assert room == capacity_of(free).take(size, wanted)
    assert room == min(wanted, sum(gpus // size for gpus in free))


def test_released_gpus_are_room_until_they_are_held_again() -> None:
    capacity = capacity_of([1])
    assert capacity.release({"n0": 3, "elsewhere": 4})
    assert capacity.room(4, 1) == 1
    capacity.release({"n0": 3}, sign=-1)
    assert capacity.room(2, 1) == 0
    assert not capacity.release({"elsewhere": 4})


def test_a_held_gpu_on_a_node_that_is_not_ready_is_no_replica() -> None:
    nodes = (NodeCapacity("up", 0, 4), NodeCapacity("down", 0, 4, ready=False))
    capacity = TierCapacity(Tier("t", 1, nodes=nodes))
    assert capacity.bound({"up": 5, "down": 4}, 2) == 2
