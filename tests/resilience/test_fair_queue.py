"""Slots go to the most urgent first, to tenants by their weight, and nobody is forgotten."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tierwise_core.fair_queue import FairQueue, Waiting

TENANTS = ("a", "b", "c")
WEIGHTS = {"a": 1, "b": 2, "c": 5}


def full(slots: int = 1, length: int = 100, holder: str = "x") -> FairQueue:
    queue = FairQueue(slots, length)
    for _ in range(slots):
        queue.take(holder)
    return queue


def served(queue: FairQueue, holder: str = "x") -> str:
    """Free one slot and say who got it, without anybody giving it back yet."""
    queue.give_back(holder)
    head = queue.next()
    assert head is not None
    return head.tenant


def test_the_urgent_class_goes_first_and_then_the_higher_priority() -> None:
    queue = full()
    for name, band in [("bg", (3, 0)), ("low", (0, 0)), ("batch", (2, -9)), ("high", (0, -5))]:
        queue.wait(Waiting(name, band))

    order, holder = [], "x"
    for _ in range(4):
        holder = served(queue, holder)
        order.append(holder)

    assert order == ["high", "low", "batch", "bg"]


def test_one_slot_is_shared_by_weight() -> None:
    queue, holder, got = full(), "x", Counter[str]()
    for name in TENANTS:
        for _ in range(100):
            queue.wait(Waiting(name, weight=WEIGHTS[name]))

    for _ in range(80):
        holder = served(queue, holder)
        got[holder] += 1

    assert got == {"a": 10, "b": 20, "c": 50}


def test_a_tenant_with_long_requests_gets_no_more_of_the_time() -> None:
    queue, holder, time_of = full(length=1000), "x", Counter[str]()
    for name in ("long", "short"):
        for _ in range(400):
            queue.wait(Waiting(name))

    for _ in range(300):
        queue.give_back(holder, 5.0 if holder == "long" else 1.0)
        head = queue.next()
        assert head is not None
        holder = head.tenant
        time_of[holder] += 5 if holder == "long" else 1

    assert abs(time_of["long"] - time_of["short"]) <= 10


def test_who_comes_late_has_no_claim_on_the_past() -> None:
    queue, holder = full(length=1000), "x"
    for _ in range(200):
        queue.wait(Waiting("early"))
    for _ in range(100):
        holder = served(queue, holder)
    for _ in range(100):
        queue.wait(Waiting("late"))

    got = Counter[str]()
    for _ in range(40):
        holder = served(queue, holder)
        got[holder] += 1

    assert abs(got["early"] - got["late"]) <= 1


def test_a_full_queue_loses_its_least_urgent_and_latest_first() -> None:
    queue = full(length=2)
    first, second = Waiting("a", (2, 0)), Waiting("a", (2, 0))
    queue.wait(first)
    queue.wait(second)

    assert queue.wait(Waiting("b", (0, 0))) is second
    newcomer = Waiting("c", (3, 0))
    assert queue.wait(newcomer) is newcomer


def test_a_flood_makes_room_for_another_tenant() -> None:
    queue = full(length=4)
    flood = [Waiting("flood") for _ in range(4)]
    for one in flood:
        queue.wait(one)

    assert queue.wait(Waiting("other")) is flood[-1]
    again = Waiting("flood")
    assert queue.wait(again) is again


def test_a_tenant_beyond_its_own_limit_keeps_nobody_else_waiting() -> None:
    queue = FairQueue(4, 10)
    queue.take("a")
    queue.wait(Waiting("a"))
    queue.wait(Waiting("b"))

    head = queue.next(lambda waiting: waiting.tenant == "a")

    assert head is not None
    assert head.tenant == "b"
    assert queue.next(lambda waiting: waiting.tenant == "a") is None


@settings(max_examples=60)
@given(
    weights=st.lists(st.integers(1, 8), min_size=2, max_size=5),
    slots=st.integers(1, 12),
    rounds=st.integers(50, 200),
)
def test_tenants_that_always_wait_are_served_by_their_weights(
    weights: list[int], slots: int, rounds: int
) -> None:
    queue = FairQueue(slots, 10_000)
    names = [f"t{number}" for number in range(len(weights))]
    holders = ["x"] * slots
    for _ in range(slots):
        queue.take("x")
    for name, weight in zip(names, weights, strict=True):
        for _ in range(rounds + slots):
            queue.wait(Waiting(name, weight=weight))

    got = Counter[str]()
    for _ in range(rounds):
        queue.give_back(holders.pop(0))
        head = queue.next()
        assert head is not None
        holders.append(head.tenant)
        got[head.tenant] += 1

    # Each one's service per weight differs by no more than a request of the lightest.
    shares = [got[name] / weight for name, weight in zip(names, weights, strict=True)]
    assert max(shares) - min(shares) <= 1 + 1e-9


class QueueMachine(RuleBasedStateMachine):
    """Whatever comes, leaves and finishes: no slot is lost, none is given twice."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue(3, 5)
        self.holders: list[str] = []
        self.waiting: list[Waiting] = []

    def _serve(self) -> None:
        while (head := self.queue.next()) is not None:
            self.waiting.remove(head)
            self.holders.append(head.tenant)

    @rule(tenant=st.sampled_from(TENANTS), band=st.sampled_from([(0, 0), (1, 0), (2, -3)]))
    def comes(self, tenant: str, band: tuple[int, int]) -> None:
        if self.queue.take(tenant):
            self.holders.append(tenant)
            return
        newcomer = Waiting(tenant, band, WEIGHTS[tenant])
        victim = self.queue.wait(newcomer)
        self.waiting.append(newcomer)
        if victim is not None:
            assert victim.band >= newcomer.band
            self.waiting.remove(victim)

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), cost=st.floats(0.1, 10))
    def finishes(self, data: st.DataObject, cost: float) -> None:
        tenant = data.draw(st.sampled_from(self.holders))
        self.holders.remove(tenant)
        self.queue.give_back(tenant, cost)
        self._serve()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(gone)
        self.queue.forget(gone)

    @rule(slots=st.integers(0, 6), length=st.integers(0, 8))
    def is_resized(self, slots: int, length: int) -> None:
        self.queue.slots, self.queue.length = slots, length
        self._serve()

    @invariant()
    def the_books_balance(self) -> None:
        queue = self.queue
        assert queue.in_flight == len(self.holders)
        assert queue.waiting == len(self.waiting)
        for tenant in TENANTS:
            assert queue.held_by(tenant) == self.holders.count(tenant)
            assert queue.queued_by(tenant) == sum(one.tenant == tenant for one in self.waiting)

    @invariant()
    def nobody_waits_while_a_slot_is_free(self) -> None:
        assert not self.waiting or self.queue.in_flight >= self.queue.slots


TestQueueMachine = QueueMachine.TestCase
