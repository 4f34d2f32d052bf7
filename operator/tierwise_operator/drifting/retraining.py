"""The training that answers a drift: pairs out, Job, result in, Rollout. Each step may be repeated.

What was begun is in the Specialist's status, and names are worked out and not drawn, so that an
operator that is killed between two steps makes the same objects again and none twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import structlog

from tierwise_api.rollout_training import TrainingSpec
from tierwise_core.conditions import rfc3339
from tierwise_core.drifting.training import Training
from tierwise_core.drifting.training_job import (
    TRAINS,
    Run,
    Trained,
    pairs_file,
    rollout_of,
    said_by,
    training_job,
)
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.drifting.lessons import Lessons, Pairs
from tierwise_operator.kinds import CONFIG_MAP, JOB, READER_POD, ROLLOUT

__all__ = ["Drifted", "Retraining", "wanted_training"]

PAIRS_AGAIN_S: Final = 60.0

log = structlog.get_logger("tierwise.drifting")


@dataclass(frozen=True, slots=True)
class Drifted:
    """A Specialist, the model that serves for it, and what has been found of its drift, if any."""

    specialist: Specialist
    model: ModelSpec
    why: str = ""


def wanted_training(specialist: Specialist) -> TrainingSpec | None:
    """Return ``spec.rollout.training``, or None where there is none."""
    given = (specialist.rollout or {}).get("training")
    return TrainingSpec.model_validate(dict(given), extra="ignore") if given else None


@dataclass(slots=True)
class Retraining:
    """Trains drifted Specialists again."""

    cluster: Cluster
    lessons: Lessons

    async def step(self, drifted: Drifted, training: Training, now: float) -> Training:
        """Take the next step, if there is one to take; return where the training stands then.

        Raises:
            ClusterError: the API server did not answer; the step is taken again.
            LedgerError: likewise the ledger.
        """
        wanted = wanted_training(drifted.specialist)
        if training.state == "Running":
            return await self._ended(drifted, training)
        if wanted is None or not drifted.why:
            return training
        if training.started is not None and now - training.started < wanted.every_seconds:
            return training
        return await self._begun(drifted, wanted, training, now)

    async def _begun(
        self, drifted: Drifted, wanted: TrainingSpec, training: Training, now: float
    ) -> Training:
        specialist = drifted.specialist
        pairs = await self.lessons.pairs(specialist.full_name)
        if pairs.count < wanted.min_pairs:
            message = (
                f"{_counted(pairs)}, and spec.rollout.training.minPairs is {wanted.min_pairs}; "
                "pairs come from answers that were judged wrong, where the ledger keeps contents"
            )
            return replace(training, state="Waiting", pairs=pairs.count, message=message)
        run = Run.of(specialist, drifted.model, training.number + 1)
        begun = Training(
            "Running",
            training.number + 1,
            now,
            run.name,
            pairs.count,
            message=f"Job {run.name} learns from {_counted(pairs)} since "
            f"{rfc3339(datetime.fromtimestamp(now, UTC))}",
        )
        template = wanted.job_template.model_dump(by_alias=True, exclude_defaults=True)
        try:
            await self.cluster.apply(CONFIG_MAP, pairs_file(run, pairs.text))
            await self.cluster.apply(JOB, training_job(run, template, wanted.timeout_seconds))
        except ClusterError as error:
            if not error.rejected:
                raise
            await self._clear(run)
            why = f"spec.rollout.training.jobTemplate: the Job was refused: {error}"
            return replace(begun, state="Failed", message=why)
        log.info("training", specialist=specialist.key, job=run.name, pairs=pairs.count)
        return begun

    async def _ended(self, drifted: Drifted, training: Training) -> Training:
        """See whether the Job has ended; what it made is tried in a Rollout."""
        specialist = drifted.specialist
        run = Run(specialist, drifted.model, training.run)
        pods = replace(READER_POD, label_selector=f"{TRAINS}={run.name}")
        seen = [body async for body in self.cluster.objects(pods, specialist.namespace)]
        job = await self.cluster.get(JOB, specialist.namespace, run.name)
        trained = said_by(seen, job)
        if trained is None:
            return training
        await self._clear(run)
        if trained.problem:
            return replace(training, state="Failed", message=trained.problem)
        return await self._tried(run, trained, training, drifted.why or "the model had drifted")

    async def _tried(self, run: Run, trained: Trained, training: Training, why: str) -> Training:
        rollout = rollout_of(run, trained, why)
        name = str(rollout["metadata"]["name"])
        done = replace(training, state="Done", rollout=name)
        made = f"Job {run.name} made {trained.source}"
        try:
            await self.cluster.create(ROLLOUT, rollout)
        except ClusterError as error:
            if error.status == HTTPStatus.CONFLICT:
                return replace(done, message=f"{made}; Rollout {name} is there already")
            if not error.rejected:
                raise
            return replace(training, state="Failed", message=f"{made}, which cannot be: {error}")
        return replace(done, message=f"{made}, which Rollout {name} tries")

    async def _clear(self, run: Run) -> None:
        """Delete what people said: it is of no use any more where it lies."""
        await self.cluster.delete(CONFIG_MAP, run.specialist.namespace, run.name, "")


def _counted(pairs: Pairs) -> str:
    some = f"{pairs.count} preference pairs"
    return some if pairs.count == pairs.known else f"{some} (the newest of {pairs.known})"
