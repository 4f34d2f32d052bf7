"""The Rollout pass: see both sides, decide, write where it stands; the rest follows from that.

The status is all that a rollback needs: routers obey its weights, and the pods of a Specialist
follow its stage. So it is written first, in one piece, and whatever else there is to do comes after
it and is done again until it has been done.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tierwise_api.rollout import RolloutSpec
from tierwise_api.rollout_wish import judgement_by, wish_of
from tierwise_core.plan import Announce, PublishStatus
from tierwise_core.plan import Plan as Writes
from tierwise_core.rollout.green_state import NO_SIDES, GreenState
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.order import Order, abandoned, current
from tierwise_core.rollout.report import Told, outcome_of, refused_status, shown_percent, status_of
from tierwise_core.rollout.situation import Plan, Standing
from tierwise_core.rollout.stages import COMPARED, Stage
from tierwise_core.specialist import Specialist
from tierwise_operator.cluster import ClusterError
from tierwise_operator.execute import Executor
from tierwise_operator.kinds import ROLLOUT
from tierwise_operator.metrics import Metrics
from tierwise_operator.recorder import Subject
from tierwise_operator.rolling.inquiries import Answer
from tierwise_operator.rolling.means import ALL, LOOK_SECONDS, ROUTERS_SECONDS, Means
from tierwise_operator.rolling.sight import Scene, Sight, sight
from tierwise_operator.rolling.survey import survey
from tierwise_operator.rolling.waiting import told_again, waiting_for
from tierwise_operator.store import Store
from tierwise_operator.workqueue import Item, WorkQueue

IDLE_LOOK_SECONDS = 15.0
WORDS_AGAIN_SECONDS = 30.0

_BAD = frozenset({Stage.ROLLING_BACK, Stage.ROLLED_BACK, Stage.ABORTED, Stage.INCONCLUSIVE})
SHARED = COMPARED | {Stage.PROMOTED, Stage.ROLLING_BACK, Stage.PAUSED}
"""Green has a share, had one, or listens: the routers are asked what they apply."""


@dataclass(slots=True)
class RolloutPasses:
    """The passes over Rollouts, and what is known between two of them; all of it can be lost."""

    store: Store
    queue: WorkQueue
    executor: Executor
    means: Means
    clock: Callable[[], datetime]
    metrics: Metrics
    _sides: dict[str, tuple[str, GreenState]] = field(default_factory=dict)
    _said_at: dict[str, float] = field(default_factory=dict)
    _shared_at: dict[str, tuple[int, float]] = field(default_factory=dict)
    _waits: dict[str, tuple[str, float]] = field(default_factory=dict)

    def sides(self, specialist_key: str, state: GreenState, rollout: str) -> None:
        """Take note of a Specialist's two sides, which are those of the Rollout of that name.

        Its Rollouts are looked at if anything has changed.
        """
        if self._sides.get(specialist_key) != (rollout, state):
            self._sides[specialist_key] = rollout, state
            for order in self.store.rollouts.of(specialist_key):
                self.queue.add(Item("Rollout", order.key))

    def forget_sides(self, specialist_key: str) -> None:
        """A Specialist is gone."""
        if self._sides.pop(specialist_key, None) is not None:
            for order in self.store.rollouts.of(specialist_key):
                self.queue.add(Item("Rollout", order.key))

    async def run(self, item: Item) -> None:
        """Make one pass over a Rollout."""
        order = self.store.rollouts.get(item.key)
        if order is None or order.deleting:
            self._forget(item.key)
            return
        if order.ended:
            self._forget(item.key)
            await self._acknowledge(order)
            return
        if order.invalid is not None:
            await self._refuse(order, "InvalidSpec", order.invalid)
            return
        spec = RolloutSpec.model_validate(dict(order.spec), extra="ignore")
        first = current(self.store.rollouts.of(order.specialist_key))
        if first is not None and first.key != order.key and not spec.abort:
            await self._refuse(order, "AnotherRollout", _second(order, first))
            return
        specialist = self.store.specialists.get(order.specialist_key)
        if order.standing is None and (specialist is None or specialist.deleting):
            await self._refuse(order, "SpecialistNotFound", _nobody(order))
            return
        try:
            await self._decide(order, spec, specialist)
        except ClusterError:
            raise
        except Exception as error:
            message = f"an error of tierwise itself, please report it: {error!r}"
            await self._refuse(order, "InternalError", message)
            raise

    async def _decide(self, order: Order, spec: RolloutSpec, specialist: Specialist | None) -> None:
        gone = specialist is None or specialist.deleting
        elsewhere = specialist is not None and specialist.external is not None
        state = NO_SIDES if gone or elsewhere or spec.abort else self._state(order)
        if state is None:
            self._look_again(Item("Rollout", order.key), order.stage)
            self.queue.add(Item("Specialist", order.specialist_key))  # it tells, and we come again
            return
        profile = self.store.profiles.get(specialist.field) if specialist else None
        judgement = judgement_by(profile.spec if profile else None, _field(specialist))
        scene = Scene(
            order=order,
            wish=wish_of(spec, profile.spec if profile else None, judgement),
            judgement=judgement,
            state=self._state(order) or state,
            specialist=None if gone else specialist,
            now=self.clock().timestamp(),
            applied=self._applied(order),
        )
        seen = sight(scene, self.means)
        if gone and seen.standing.stage is not Stage.ROLLING_BACK:
            plan = abandoned(seen.standing, scene.now, _nobody(order))
        else:
            plan = decide(scene.wish, seen.standing, seen.seen, scene.now)
        if plan.transitions or not seen.asking:
            await self._write(scene, seen, plan)
        self._look_again(Item("Rollout", order.key), plan.standing.stage)

    async def _write(self, scene: Scene, seen: Sight, plan: Plan) -> None:
        order, now = scene.order, self.clock()
        before = int((order.status.get("weights") or {}).get("green") or 0)
        initial = scene.wish.shares.initial_percent
        percent = shown_percent(plan.standing, scene.state.carries_percent, initial, before)
        word = waiting_for(plan, seen)
        self._note_wait(order.key, word or plan.standing.stage.value, scene.now)
        told = Told(percent, scene.applied, word, seen.kept(plan))
        status = status_of(order, plan, told, now)
        await self._publish(order, status, plan)
        if plan.transitions:
            self._count(seen.standing, plan.standing)
        self._note_share(order.key, before, percent)

    async def _publish(self, order: Order, status: Mapping[str, Any], plan: Plan) -> None:
        events = tuple(
            Announce(
                "Warning" if moved.after in _BAD else "Normal",
                moved.reason,
                f"{moved.before} -> {moved.after}: {moved.why}",
            )
            for moved in plan.transitions
        )
        told = status.get("forecast", {}).get("message", "")
        if told and told != (order.status.get("forecast") or {}).get("message"):
            events = (*events, Announce("Normal", "Forecast", told))
        why = plan.transitions[-1].why if plan.transitions else plan.waits_for
        await self._send(order, status, why or plan.standing.stage.value, events)

    async def _refuse(self, order: Order, reason: str, message: str) -> None:
        """Say why nothing is done about a Rollout."""
        status = refused_status(order, reason, message, self.clock())
        await self._send(order, status, message, (Announce("Warning", reason, message),))

    async def _acknowledge(self, order: Order) -> None:
        """Note the generation of a Rollout that has ended: nothing follows from a change."""
        if order.status.get("observedGeneration") != order.generation:
            status = {**order.status, "observedGeneration": order.generation}
            await self._send(order, status, "the rollout has ended", ())

    async def _send(
        self,
        order: Order,
        status: Mapping[str, Any],
        reason: str,
        events: tuple[Announce, ...],
    ) -> None:
        """Write the status if it says anything new; words alone are written now and then."""
        now = asyncio.get_running_loop().time()
        if status == order.status:
            return
        said_at = self._said_at.get(order.key, float("-inf"))
        if told_again(status, order.status) and now - said_at < WORDS_AGAIN_SECONDS:
            return
        publish = PublishStatus("Rollout", order.namespace, order.name, status, reason)
        subject = Subject(ROLLOUT, order.namespace, order.name, order.uid, order.generation)
        await self.executor.carry_out(Writes(status=publish, events=events), subject)
        self._said_at[order.key] = now

    def _state(self, order: Order) -> GreenState | None:
        """Return both sides of this very Rollout; what was seen of another says nothing of it."""
        rollout, state = self._sides.get(order.specialist_key, ("", None))
        return state if rollout == order.name else None

    def _applied(self, order: Order) -> int | None:
        """Return green's share that all routers have taken up since it was written last."""
        if order.stage not in SHARED:
            return None
        answer = self.means.taken.about(ALL, ALL)
        written_at = self._shared_at.get(order.key, (0, float("-inf")))[1]
        if not isinstance(answer, Answer) or answer.asked_at < written_at:
            return None
        return answer.said.percent(order.specialist_key, order.name)

    def _note_share(self, key: str, before: int, percent: int) -> None:
        """Note since when routers can know the share: one that a status had already, for ever."""
        known = self._shared_at.get(key)
        if known is None and percent == before:
            self._shared_at[key] = (percent, float("-inf"))
        elif known is None or known[0] != percent:
            self._shared_at[key] = (percent, asyncio.get_running_loop().time())

    def _note_wait(self, key: str, word: str, now: float) -> None:
        if self._waits.get(key, ("", 0.0))[0] != word:
            self._waits[key] = (word, now)

    def survey(self) -> None:
        """Bring the gauges up to date."""
        survey(self.metrics, self.store.rollouts.all(), self._waits, self.clock().timestamp())

    def _look_again(self, item: Item, stage: Stage) -> None:
        delay = IDLE_LOOK_SECONDS
        if stage is Stage.ROLLING_BACK:
            delay = ROUTERS_SECONDS
        elif stage in SHARED:
            delay = LOOK_SECONDS
        self.queue.add_after(item, delay)

    def _count(self, before: Standing, after: Standing) -> None:
        outcome = outcome_of(after)
        if outcome and outcome != outcome_of(before):
            self.metrics.verdicts.labels(outcome, after.reason).inc()

    def _forget(self, key: str) -> None:
        self.means.forget(key)
        self._said_at.pop(key, None)
        self._shared_at.pop(key, None)
        self._waits.pop(key, None)


def _field(specialist: Specialist | None) -> str:
    return specialist.field if specialist is not None else ""


def _second(order: Order, first: Order) -> str:
    return (
        f"Rollout {first.name} of Specialist {order.specialist_key} is under way ({first.stage}); "
        f"this one begins when it has ended: wait, set its abort, or delete one of the two"
    )


def _nobody(order: Order) -> str:
    return (
        f"spec.specialistRef.name: there is no Specialist {order.specialist_key}; "
        "create it, or delete this Rollout"
    )
