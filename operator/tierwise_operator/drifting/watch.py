"""Looks at every Specialist now and then: is its model as useful as it was?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog

from tierwise_api.fieldprofile import FieldProfileSpec
from tierwise_api.rollout_wish import judgement_by
from tierwise_core.conditions import TRUE, Verdict, merge, read_conditions
from tierwise_core.drifting.course import Base, Course, follow
from tierwise_core.drifting.keeping import recalled
from tierwise_core.drifting.training import Training, read_training, training_verdict
from tierwise_core.drifting.verdict import drift_status, drift_verdict, memory
from tierwise_core.errors import TierwiseError
from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.model_wire import wire_model
from tierwise_core.plan import Announce, EventType
from tierwise_core.revision import digest
from tierwise_core.rollout.counted import Counted, look
from tierwise_core.rollout.order import current
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_core.stable import Stable, read_stable
from tierwise_operator.cluster import Cluster
from tierwise_operator.drifting.lessons import Lessons
from tierwise_operator.drifting.retraining import MANAGER, Drifted, Retraining
from tierwise_operator.kinds import SPECIALIST
from tierwise_operator.recorder import Recorder, Subject
from tierwise_operator.rolling.ledger import SumsOf
from tierwise_operator.store import Store

__all__ = ["DriftWatch"]

LOOK_S: Final = 15.0
WORDS_AGAIN_S: Final = 60.0
AT_ONCE: Final = 16
GRID_S: Final = 10
MOST_REVISIONS: Final = 16
PRIOR_ANSWERS: Final = 200
"""How many answers a base is taken for that a rollout left behind without their number."""

log = structlog.get_logger("tierwise.drifting")


@dataclass(slots=True)
class _Known:
    """What is remembered of a Specialist between two looks, and when it was published last."""

    course: Course
    training: Training
    said: tuple[object, ...] = ()
    said_at: float = float("-inf")
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Scene:
    """A Specialist at one look: what serves for it, and how that is judged.

    ``verified`` says that it has verifiers: while a rollout compares they judge answers by name
    too, of which otherwise only users speak.
    """

    specialist: Specialist
    model: ModelSpec
    stable: Stable | None
    judgement: FieldJudgement
    benchmark: bool
    verified: bool
    now: float

    @property
    def serves(self) -> str:
        """The digest of the model that serves."""
        return digest((wire_model(self.model), self.stable.mark if self.stable else ""))

    def verdict(self, course: Course) -> Verdict:
        """What the status says of drift."""
        return drift_verdict(course, self.judgement, benchmark=self.benchmark)


@dataclass(slots=True)
class DriftWatch:
    """Watches all Specialists whose model tierwise runs; without a ledger there is no watch.

    While a rollout is under way nothing is judged here: it does that, and its end is a new base.
    """

    store: Store
    cluster: Cluster
    recorder: Recorder
    lessons: Lessons
    clock: Callable[[], datetime]
    look_s: float = LOOK_S
    _known: dict[str, _Known] = field(default_factory=dict)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await self.round()
            await asyncio.sleep(self.look_s)

    async def round(self) -> None:
        """Look at everybody, some at once; what is wrong with one stops no other."""
        specialists = [sp for sp in self.store.specialists.all() if _watched(sp)]
        for gone in self._known.keys() - {sp.key for sp in specialists}:
            del self._known[gone]
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(specialist: Specialist) -> None:
            async with slots:
                await self._look_safely(specialist)

        await asyncio.gather(*(one(specialist) for specialist in specialists))

    async def close(self) -> None:
        """Close the connections."""
        await self.lessons.close()

    async def _look_safely(self, specialist: Specialist) -> None:
        known = self._known.setdefault(specialist.key, _kept(specialist))
        trouble = ""
        try:
            await self._look(specialist, known)
        except TierwiseError as error:  # the ledger or the API server is away: nothing is judged
            trouble = str(error)
            if trouble != known.trouble:
                log.warning("drift not judged", specialist=specialist.key, error=trouble)
        except Exception:  # whatever is odd about one Specialist, the others are looked at
            log.exception("drift not judged", specialist=specialist.key)
        known.trouble = trouble

    async def _look(self, specialist: Specialist, known: _Known) -> None:
        scene = self._scene(specialist)
        if scene is None:
            return
        if current(self.store.rollouts.of(specialist.key)) is None:
            known.course = await self._followed(scene, known.course)
        # What was found is written before anything follows from it: a killed operator finds it.
        await self._publish(scene, known)
        verdict = scene.verdict(known.course)
        fell = verdict.status == TRUE and known.course.detected == "fell"
        drifted = Drifted(specialist, scene.model, verdict.message if fell else "")
        retraining = Retraining(self.cluster, self.lessons)
        known.training = await retraining.step(drifted, known.training, scene.now)
        await self._publish(scene, known)

    def _scene(self, specialist: Specialist) -> _Scene | None:
        stable = read_stable(specialist.status)
        model = stable.model if stable else specialist.model
        if model is None:
            return None
        found = self.store.profiles.get(specialist.field)
        profile = found.spec if found else None
        return _Scene(
            specialist,
            model,
            stable,
            judgement_by(profile, specialist.field),
            _has_benchmark(specialist, profile),
            bool(specialist.verifiers or (profile is not None and profile.verifiers)),
            self.clock().timestamp(),
        )

    async def _followed(self, scene: _Scene, course: Course) -> Course:
        """Take in what the ledger has counted since the last look."""
        if course.serves != scene.serves:
            course = _begun(scene)
        course = replace(course, revisions=_revisions(scene.specialist, course.revisions))
        if not course.revisions or scene.now <= course.until:
            return course
        asked = SumsOf(scene.specialist.full_name, course.revisions, (), course.since)
        counted = await self.lessons.sums(asked)
        added = look(Counted(course.counted), counted, course.until, scene.now, scene.judgement)
        course = replace(course, counted=added.kept.blue)
        if added.window is None:
            return course
        return follow(replace(course, until=scene.now), added.window.blue, scene.judgement)

    async def _publish(self, scene: _Scene, known: _Known) -> None:
        """Write what is new; figures alone now and then."""
        specialist, told = scene.specialist, (scene.verdict(known.course),)
        training = training_verdict(known.training)
        verdicts = (*told, training) if training else told
        said = (*((one.type, one.status, one.reason) for one in verdicts), known.training)
        drift = drift_status(known.course, scene.judgement)
        rests = scene.now - known.said_at < WORDS_AGAIN_S
        if said == known.said and (rests or drift == specialist.status.get("drift")):
            return
        before = read_conditions(specialist.status)
        conditions = merge(before, verdicts, specialist.generation, self.clock())
        status = {
            "conditions": [condition.to_json() for condition in conditions],
            "drift": drift,
            "training": known.training.wire() or None,
        }
        await self._write(specialist, {name: value for name, value in status.items() if value})
        for verdict in verdicts:
            if (verdict.type, verdict.status, verdict.reason) not in (known.said or said):
                event = Announce(_kind(verdict), verdict.reason, verdict.message)
                await self.recorder.announce(_subject(specialist), event)
        known.said, known.said_at = said, scene.now

    async def _write(self, specialist: Specialist, status: dict[str, Any]) -> None:
        body = {
            "apiVersion": SPECIALIST.api_version,
            "kind": SPECIALIST.name,
            "metadata": {"name": specialist.name, "namespace": specialist.namespace},
            "status": status,
        }
        answer = await self.cluster.apply(SPECIALIST, body, "status", MANAGER)
        self.store.observe(SPECIALIST, answer, echo=True)


_BAD: Final = frozenset({"UtilityFell", "NoBenchmark", "TrainingFailed"})


def _kind(verdict: Verdict) -> EventType:
    return "Warning" if verdict.reason in _BAD else "Normal"


def _watched(specialist: Specialist) -> bool:
    return specialist.model is not None and not specialist.deleting and specialist.invalid is None


def _kept(specialist: Specialist) -> _Known:
    status = specialist.status
    return _Known(recalled(memory(status)), read_training(status))


def _begun(scene: _Scene) -> Course:
    """Return the course of a model that begins to serve, with the base that its rollout left.

    None is taken over where a rollout judges answers that are not judged after it.
    """
    since = scene.now // GRID_S * GRID_S
    left = scene.stable.utility if scene.stable else {}
    base = None
    if "base" in left and "variance" in left and not scene.verified:
        answers = int(left.get("answers") or PRIOR_ANSWERS)
        base = Base(float(left["base"]), float(left["variance"]), answers, since)
    return Course(scene.serves, since=since, until=since, base=base)


def _revisions(specialist: Specialist, before: tuple[str, ...]) -> tuple[str, ...]:
    """Return under which revisions the model has served: a move to another tier makes a new one."""
    serving = (
        str(endpoint["revision"])
        for endpoint in specialist.status.get("endpoints") or ()
        if endpoint.get("revision") and endpoint.get("side") != "green"
    )
    return tuple(dict.fromkeys((*before, *sorted(serving))))[-MOST_REVISIONS:]


def _has_benchmark(specialist: Specialist, profile: FieldProfileSpec | None) -> bool:
    own = (specialist.rollout or {}).get("benchmark")
    return bool(own) or (profile is not None and profile.benchmark is not None)


def _subject(specialist: Specialist) -> Subject:
    return Subject(
        SPECIALIST, specialist.namespace, specialist.name, specialist.uid, specialist.generation
    )
