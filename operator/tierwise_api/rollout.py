"""Rollout: one blue-green deployment of one Specialist, and its strategy."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec
from tierwise_api.common import Name
from tierwise_api.model import ModelSpec
from tierwise_api.rollout_status import RolloutStatus
from tierwise_api.rollout_strategy import RolloutStrategy
from tierwise_api.rules import Rule, immutable

__all__ = ["Candidate", "Rollout", "RolloutSpec", "RolloutStrategy", "SpecialistRef"]


class SpecialistRef(Spec):
    """A Specialist of the same namespace."""

    name: Name = Field(description="Its name.", examples=["sorter"])


class Candidate(Spec):
    """The revision that is tried out."""

    rules = (
        Rule(
            cel="has(self.model) != has(self.trainedBy)",
            holds=lambda self: (self.model is None) != (self.trained_by is None),
            message="exactly one of model and trainedBy must be given: what is tried out",
        ),
    )

    model: ModelSpec | None = Field(
        default=None,
        description="The model that would replace the Specialist's.",
        examples=[{"source": "hf://acme/sorter", "revision": "v2"}],
    )
    trained_by: Name | None = Field(
        default=None,
        description="The Job that makes the model, as the operator runs it after a drift; "
        "status.training has the model once it has ended.",
        examples=["sorter-train-5e7ec66f"],
    )


class RolloutSpec(Spec):
    """Which Specialist gets which candidate, and how."""

    rules = (
        Rule(
            cel="!(self.abort && self.promote)",
            holds=lambda self: not (self.abort and self.promote),
            message="abort and promote must not both be true: abort goes back to blue, promote "
            "makes green final",
            at="promote",
        ),
    )

    specialist_ref: Annotated[
        SpecialistRef,
        immutable("specialistRef cannot change: create another Rollout for another Specialist"),
    ] = Field(description="The Specialist that is updated.", examples=[{"name": "sorter"}])
    candidate: Annotated[
        Candidate,
        immutable("candidate cannot change: create another Rollout for another candidate"),
    ] = Field(
        description="What is tried out.",
        examples=[{"model": {"source": "hf://acme/sorter", "revision": "v2"}}],
    )
    strategy: RolloutStrategy = Field(
        default_factory=RolloutStrategy,
        description="How traffic moves to the candidate.",
        examples=[{"initialWeightPercent": 5, "cooldown": "30m"}],
    )
    paused: bool = Field(
        default=False, description="Keep the present shares; nothing is promoted or rolled back."
    )
    abort: bool = Field(
        default=False, description="Go back to blue at once and reject the candidate."
    )
    promote: bool = Field(
        default=False, description="Make green final at once, whatever the evidence says."
    )


class Rollout(Resource):
    """One blue-green deployment of one Specialist, decided by the utility of its answers.

    Green starts with a small share of the traffic. Its share follows the evidence until it is
    promoted, or rolled back because it is worse.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: Rollout
        metadata: {name: sorter-v2}
        spec:
          specialistRef: {name: sorter}
          candidate: {model: {source: "hf://acme/sorter", revision: v2}}
          strategy: {onInconclusive: Promote, deadline: 24h}
    """

    names: ClassVar = Names(
        plural="rollouts",
        short="sro",
        namespaced=True,
        columns=(
            Column(name="Specialist", path=".spec.specialistRef.name"),
            Column(name="Stage", path=".status.stage"),
            Column(
                name="Green",
                path=".status.weights.green",
                type="integer",
                description="The candidate's share of the traffic, in percent.",
            ),
            Column(
                name="U-Blue",
                path=".status.windows.blue.utility",
                type="number",
                description="The mean utility of the running revision's answers, 0 to 1.",
            ),
            Column(name="U-Green", path=".status.windows.green.utility", type="number"),
            Column(name="Verdict", path=".status.verdict.outcome"),
            Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
            Column(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason', priority=1),
            Column(name="Strategy", path=".spec.strategy.type", priority=1),
            Column(name="Waits for", path=".status.waitsFor", priority=1),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
    )

    kind: Literal["Rollout"] = "Rollout"
    spec: RolloutSpec
    status: RolloutStatus = Field(default_factory=RolloutStatus)
