"""The queue: each key once, never twice at the same time, nothing lost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tierwise_operator.workqueue import FIRST_IN_A_ROW, Item, ItemKind, WorkQueue

KEYS = ["a", "b", "c"]
steps = st.lists(
    st.tuples(st.sampled_from(["add", "take", "done"]), st.sampled_from(KEYS)), max_size=60
)


@given(steps)
def test_every_wish_after_a_pass_began_leads_to_another_pass(
    script: list[tuple[str, str]],
) -> None:
    queue = WorkQueue()
    wanted: set[str] = set()
    busy: set[str] = set()
    for verb, key in script:
        item = Item("Specialist", key)
        if verb == "add":
            queue.add(item)
            wanted.add(key)
        elif verb == "take":
            taken = queue.take()
            if taken is None:
                assert wanted <= busy
            else:
                assert taken.key in wanted
                assert taken.key not in busy
                wanted.discard(taken.key)
                busy.add(taken.key)
        elif key in busy:
            queue.done(item)
            busy.discard(key)
    assert len(queue) == len(wanted - busy)


@given(st.lists(st.sampled_from(["Specialist", "Rollout", "GPUTier"]), max_size=80))
def test_rollouts_go_first_and_nobody_waits_for_ever(kinds: list[ItemKind]) -> None:
    queue = WorkQueue()
    for number, kind in enumerate(kinds):
        queue.add(Item(kind, str(number)))
    taken: list[Item] = []
    while (item := queue.take()) is not None:
        taken.append(item)
        queue.done(item)
    assert {(one.kind, one.key) for one in taken} == {(k, str(n)) for n, k in enumerate(kinds)}
    others = [one for one in taken if one.kind != "Rollout"]
    assert [int(one.key) for one in others] == sorted(int(one.key) for one in others)
    for place, one in enumerate(taken):
        rollouts_left = any(later.kind == "Rollout" for later in taken[place:])
        before = taken[max(0, place - FIRST_IN_A_ROW) : place]
        if one.kind != "Rollout" and rollouts_left:  # whoever overtakes has waited long enough
            assert [each.kind for each in before] == ["Rollout"] * FIRST_IN_A_ROW
        if one.kind == "Rollout" and len(before) == FIRST_IN_A_ROW:
            lone = all(later.kind == "Rollout" for later in taken[place:])
            assert lone or any(each.kind != "Rollout" for each in before)


async def test_a_waiting_worker_is_woken() -> None:
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(Item("Fleet"))
    assert await waiting == Item("Fleet")


async def test_an_item_asked_for_at_once_is_no_longer_delayed() -> None:
    queue = WorkQueue()
    queue.add_after(Item("Fleet"), 60)
    queue.add(Item("Fleet"))
    assert not queue.is_delayed(Item("Fleet"))
    assert queue.take() == Item("Fleet")
    assert queue.take() is None


async def test_the_earliest_wish_for_later_stands() -> None:
    queue = WorkQueue()
    queue.add_after(Item("Fleet"), 0)
    queue.add_after(Item("Fleet"), 60)
    await asyncio.wait_for(queue.get(), timeout=60)
    queue.close()


async def test_retries_wait_longer_each_time_and_success_forgets() -> None:
    queue = WorkQueue()
    item = Item("Specialist", "a")
    assert [queue.retry(item) for _ in range(3)] == [0.5, 1.0, 2.0]
    queue.succeeded(item)
    assert queue.retry(item) == 0.5
    queue.close()
    assert not queue.is_delayed(item)
