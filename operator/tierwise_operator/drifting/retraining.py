"""The training that answers a drift: pairs out, Job, Rollout, result in. Each step may be repeated.

The Rollout is there from the Job's beginning on, in stage Training; what the Job makes is written
into its status, since nobody but a user writes a spec.

What was begun is in the Specialist's status, and names are worked out and not drawn, so that an
operator that is killed between two steps makes the same objects again and none twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import structlog
from pydantic import ValidationError

from tierwise_api.base import problems
from tierwise_api.model import ModelSpec as ModelResource
from tierwise_api.rollout_training import TrainingSpec
from tierwise_core.conditions import rfc3339
from tierwise_core.drifting.training import Training
from tierwise_core.drifting.training_job import (
    TRAINS,
    Run,
    Trained,
    candidate,
    pairs_file,
    progress,
    rollout_of,
    said_by,
    training_job,
)
from tierwise_core.rollout.stages import FINAL
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.drifting.lessons import Lessons, Pairs
from tierwise_operator.kinds import CONFIG_MAP, JOB, READER_POD, ROLLOUT

__all__ = ["MANAGER", "Drifted", "Retraining", "wanted_training"]

MANAGER: Final = "tierwise-drift"
"""Who writes drift and training into statuses, beside the passes."""

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
        if refused := await self._open(run, drifted.why):
            await self._stop(run)
            return replace(begun, state="Failed", message=refused)
        log.info("training", specialist=specialist.key, job=run.name, pairs=pairs.count)
        return replace(begun, rollout=run.name)

    async def _ended(self, drifted: Drifted, training: Training) -> Training:
        """See whether the Job has ended; its Rollout tries what it made."""
        specialist = drifted.specialist
        run = Run(specialist, drifted.model, training.run)
        if not training.rollout:  # begun by a version that made the Rollout in the end
            await self._open(run, drifted.why or "the model had drifted")
            training = replace(training, rollout=run.name)
        if given_up := await self._given_up(run):
            await self._stop(run)
            return replace(training, state="Failed", message=given_up)
        pods = replace(READER_POD, label_selector=f"{TRAINS}={run.name}")
        seen = [body async for body in self.cluster.objects(pods, specialist.namespace)]
        job = await self.cluster.get(JOB, specialist.namespace, run.name)
        trained = said_by(seen, job)
        if trained is None:
            await self._tell(run, message=progress(run, training.pairs, job))
            return training
        return await self._handed_over(run, trained, training)

    async def _handed_over(self, run: Run, trained: Trained, training: Training) -> Training:
        """Give the Rollout what was made, or the reason why nothing was."""
        problem, model = trained.problem, candidate(run.model, trained)
        if not problem:
            try:
                ModelResource.model_validate(model)
            except ValidationError as error:
                problem = f"Job {run.name} made {trained.source}: {'; '.join(problems(error))}"
        made = f"Job {run.name} made {trained.source}"
        if problem:
            await self._tell(run, problem=problem)
        else:
            await self._tell(run, message=made, model=model)
        await self._clear(run)
        if problem:
            return replace(training, state="Failed", message=problem)
        told = f"{made}, which Rollout {training.rollout} tries"
        return replace(training, state="Done", message=told)

    async def _open(self, run: Run, why: str) -> str:
        """Create the Rollout, unless it is there already; return why it cannot be."""
        try:
            await self.cluster.create(ROLLOUT, rollout_of(run, why))
        except ClusterError as error:
            if error.rejected:
                return f"spec.rollout: the Rollout of Job {run.name} was refused: {error}"
            if error.status != HTTPStatus.CONFLICT:
                raise
        return ""

    async def _given_up(self, run: Run) -> str:
        """Return why nobody waits for the result any more; empty while its Rollout does."""
        there = await self.cluster.get(ROLLOUT, run.specialist.namespace, run.name)
        if there is None:
            return f"its Rollout {run.name} was deleted before the training had ended"
        status = there.get("status") or {}
        if status.get("stage") not in FINAL:
            return ""
        verdict = status.get("verdict") or {}
        why = verdict.get("reason") or status["stage"]
        return f"its Rollout {run.name} ended before the training did: {why}"

    async def _tell(self, run: Run, **told: Any) -> None:
        """Write how the training stands into the Rollout's status, if that says anything new."""
        home = run.specialist.namespace
        there = await self.cluster.get(ROLLOUT, home, run.name)
        wanted = {"job": run.name, **told}
        if there is None or (there.get("status") or {}).get("training") == wanted:
            return
        body = {
            "apiVersion": ROLLOUT.api_version,
            "kind": ROLLOUT.name,
            "metadata": {"name": run.name, "namespace": home},
            "status": {"training": wanted},
        }
        await self.cluster.apply(ROLLOUT, body, "status", MANAGER)

    async def _stop(self, run: Run) -> None:
        """End a training that nobody waits for."""
        await self.cluster.delete(JOB, run.specialist.namespace, run.name, "")
        await self._clear(run)

    async def _clear(self, run: Run) -> None:
        """Delete what people said: it is of no use any more where it lies."""
        await self.cluster.delete(CONFIG_MAP, run.specialist.namespace, run.name, "")


def _counted(pairs: Pairs) -> str:
    some = f"{pairs.count} preference pairs"
    return some if pairs.count == pairs.known else f"{some} (the newest of {pairs.known})"
