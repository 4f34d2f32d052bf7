"""Whatever is edited, created, ended and lost: what serves changes by promotion alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests._support.observed import a_specialist

from tierwise_core.rollout.order import MODEL_CHANGED, Order, current
from tierwise_core.rollout.situation import first_standing
from tierwise_core.rollout.stages import Stage
from tierwise_core.sides import Sides, sides
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_core.stable import first

NAMES = ("a", "b", "c")
models = st.sampled_from([ModelSpec(f"file:///models/{name}") for name in NAMES])
ends = st.sampled_from([Stage.COMPLETE, Stage.ROLLED_BACK, Stage.ABORTED])


class TwoSides(RuleBasedStateMachine):
    """A Specialist that serves, people who edit it, and an operator that is killed now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.specialist: Specialist = a_specialist(source="file:///models/a")
        model = self.specialist.model or ModelSpec("")
        self.publish({"stable": first(model).wire()})
        self.orders: list[Order] = []
        self.serving = model
        self.clock = 0

    def publish(self, status: dict[str, Any]) -> None:
        self.specialist = replace(self.specialist, status=status)

    def see(self) -> Sides:
        return sides(self.specialist, self.orders)

    def create(self, name: str, model: ModelSpec, trigger: str) -> None:
        self.clock += 1
        created = f"2026-03-01T12:{self.clock // 60:02}:{self.clock % 60:02}Z"
        order = Order("ai", name, f"u{self.clock}", 1, "ai/sorter", model, created=created)
        known = replace(order, trigger=trigger, standing=first_standing(0.0))
        self.orders.append(known)

    @rule(model=models)
    def edit(self, model: ModelSpec) -> None:
        grown = self.specialist.generation + 1
        self.specialist = replace(self.specialist, model=model, generation=grown)

    @rule(killed=st.booleans())
    def look(self, killed: bool) -> None:  # noqa: FBT001 - drawn
        """One pass; who is killed has created the Rollout and not published the status."""
        seen = self.see()
        if seen.opens:
            assert seen.opens not in {order.name for order in self.orders}
            self.create(seen.opens, self.specialist.model or ModelSpec(""), MODEL_CHANGED)
        if killed:
            return
        status: dict[str, Any] = {"stable": seen.stable.wire()} if seen.stable else {}
        if seen.order is not None:
            status["rollout"] = {"name": seen.order.name}
        self.publish(status)

    @rule(model=models)
    def apply_by_hand(self, model: ModelSpec) -> None:
        self.create(f"by-hand-{self.clock}", model, "Applied")

    @precondition(lambda self: current(self.orders) is not None and self.is_named())
    @rule(stage=ends)
    def end(self, stage: Stage) -> None:
        order = current(self.orders)
        seen = self.see()
        if order is None or (stage is Stage.COMPLETE and seen.refused):
            return  # what runs already is never promoted
        standing = replace(order.standing or first_standing(0.0), stage=stage)
        self.orders[self.orders.index(order)] = replace(order, standing=standing)
        if stage is Stage.COMPLETE and order.candidate is not None:
            self.serving = order.candidate

    def is_named(self) -> bool:
        order = current(self.orders)
        named = (self.specialist.status.get("rollout") or {}).get("name")
        return order is not None and order.name == named

    @rule()
    def forget_the_ended(self) -> None:
        """Somebody tidies up: of what has been taken in nothing is needed any more."""
        seen = self.see()
        if seen.ended is None:
            self.orders = [order for order in self.orders if not order.ended]

    @invariant()
    def only_promotions_change_what_serves(self) -> None:
        assert self.see().blue.model == self.serving

    @invariant()
    def only_one_candidate_is_tried(self) -> None:
        seen, order = self.see(), current(self.orders)
        assert (seen.green is None) == (order is None)
        assert not (seen.opens and order)
        if seen.green is not None and order is not None:
            assert seen.green.model == order.candidate
            assert seen.green.key != seen.blue.key

    def teardown(self) -> None:
        """Left alone, it comes to rest: each end is taken in once, nothing is tried twice."""
        for _ in range(3 * len(self.orders) + 6):
            self.look(killed=False)
            order = current(self.orders)
            if order is not None:
                self.end(Stage.ROLLED_BACK)
        before = len(self.orders)
        self.look(killed=False)
        self.look(killed=False)
        assert len(self.orders) == before
        assert self.see().order is None
        self.only_promotions_change_what_serves()


TestTwoSides = TwoSides.TestCase
TestTwoSides.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
