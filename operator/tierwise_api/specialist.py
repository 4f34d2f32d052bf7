"""Specialist: a node of the model graph."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Scale, Spec, is_dns_label
from tierwise_api.common import Name
from tierwise_api.external import ExternalSpec
from tierwise_api.model import ModelSpec
from tierwise_api.rollout import RolloutStrategy
from tierwise_api.rules import Rule, immutable
from tierwise_api.serving import EngineSpec, PlacementSpec, RoutingSpec
from tierwise_api.specialist_status import SpecialistStatus
from tierwise_core.specialist import ROLLOUTS_KEPT

__all__ = ["GENERAL_FIELD", "Specialist", "SpecialistSpec"]

GENERAL_FIELD = "general"
"""The field of generalists: they answer what no other field does."""


class SpecialistSpec(Spec):
    """What the Specialist knows, the model that knows it, where it may run and how it is asked."""

    rules = (
        Rule(
            cel="has(self.model) != has(self.external)",
            holds=lambda self: (self.model is None) != (self.external is None),
            message="give exactly one of model (tierwise runs it) and external (somebody else "
            "does): remove the other, or add the missing one",
        ),
        Rule(
            cel="has(self.model) || !has(self.rollout)",
            holds=lambda self: self.model is not None or self.rollout is None,
            message="rollout applies to a model that tierwise runs: leave it out with external",
            at="rollout",
        ),
    )

    field: Annotated[
        Name,
        immutable(
            "field cannot change, what was learnt about it would no longer hold: create another "
            "Specialist and delete this one"
        ),
    ] = Field(
        description="The field of knowledge it answers for. The field general is that of "
        "generalists, which are asked when no other field fits.",
        examples=["sorting"],
    )
    parent: Name | None = Field(
        default=None,
        description="The more general Specialist of the same namespace that takes over when this "
        "one is not confident enough.",
        examples=["generalist"],
    )
    model: ModelSpec | None = Field(
        default=None,
        description="The model that tierwise runs for it. Either this or external.",
        examples=[{"source": "hf://Qwen/Qwen3-4B"}],
    )
    external: ExternalSpec | None = Field(
        default=None,
        description="The OpenAI-compatible endpoint that answers for it. Either this or model.",
        examples=[{"baseURL": "https://api.example.com/v1", "model": "gpt-4.1-mini"}],
    )
    priority: int = Field(
        default=0,
        ge=-1_000_000,
        le=1_000_000,
        description="Who is placed first when GPUs are scarce: the higher number.",
        examples=[10],
    )
    placement: PlacementSpec = Field(
        default_factory=PlacementSpec,
        description="Where its model may run, on how many replicas, and for what load.",
        examples=[{"tiers": ["rtx-4090"], "replicas": {"min": 1, "max": 3}}],
    )
    routing: RoutingSpec = Field(
        default_factory=RoutingSpec,
        description="How requests find it and when its answers count.",
        examples=[{"examples": ["sort dbca"], "confidenceFloor": 0.85}],
    )
    rollout: RolloutStrategy | None = Field(
        default=None,
        description="How a change of model is rolled out. By default with the strategy's own "
        "defaults.",
        examples=[{"onInconclusive": "Promote", "deadline": "24h"}],
    )
    rollout_history_limit: int = Field(
        default=ROLLOUTS_KEPT,
        ge=0,
        le=1000,
        description="How many ended Rollouts are kept of those that tierwise made. The last "
        "promotion is always kept, for an undo, and so is every Rollout that somebody applied.",
        examples=[3],
    )
    engine: EngineSpec = Field(
        default_factory=EngineSpec,
        description="The inference engine in its pods.",
        examples=[{"args": ["--enforce-eager"]}],
    )


class Specialist(Resource):
    """A node of the model graph: a model, or an external endpoint, that answers for one field.

    tierwise finds the cheapest GPU tier the model fits, runs it there, and routes to it the
    requests of its field; what it is not confident about goes to its parent or to a stronger tier.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: Specialist
        metadata: {name: sorter, namespace: default}
        spec:
          field: sorting
          parent: generalist
          model: {source: "file:///models/sorter", maxModelLen: 256}
          placement: {replicas: {min: 1, max: 2}}
          routing: {examples: ["sort dbca", "put these letters in order: q c a"]}
    """

    names: ClassVar = Names(
        plural="specialists",
        short="sp",
        namespaced=True,
        columns=(
            Column(name="Field", path=".spec.field", description="The field it answers for."),
            Column(name="Tier", path=".status.placement.tier", description="Where it runs."),
            Column(
                name="GPUs",
                path=".status.placement.gpusPerReplica",
                type="integer",
                description="GPUs of one replica.",
            ),
            Column(name="Replicas", path=".status.replicas", type="integer"),
            Column(name="Up", path=".status.readyReplicas", type="integer"),
            Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
            Column(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason'),
            Column(
                name="USD/h",
                path=".status.placement.usdPerHour",
                type="number",
                description="Price of all its replicas for one hour.",
            ),
            Column(name="Revision", path=".status.activeRevision", priority=1),
            Column(
                name="Rollout",
                path=".status.rollout.name",
                description="The Rollout under way.",
                priority=1,
            ),
            Column(
                name="Message",
                path='.status.conditions[?(@.type=="Ready")].message',
                priority=1,
            ),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
        scale=Scale(
            spec_path=".spec.placement.replicas.min",
            status_path=".status.replicas",
            selector_path=".status.selector",
        ),
    )
    rules = (
        Rule(
            cel="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') "
            "&& self.metadata.name.size() <= 63",
            holds=lambda self: (
                is_dns_label(self.metadata.name) and not self.metadata.name[0].isdigit()
            ),
            message="metadata.name must be at most 63 lower case letters, digits and inner dashes "
            "and begin with a letter: it becomes a Service and a label",
            got='"{self.metadata.name}"',
            at="metadata.name",
        ),
        Rule(
            cel="self.metadata.name != 'auto'",
            holds=lambda self: self.metadata.name != "auto",
            message='metadata.name must not be "auto": a request for the model auto asks the '
            "router to choose",
            at="metadata.name",
        ),
        Rule(
            cel="!has(self.spec.parent) || self.spec.parent != self.metadata.name",
            holds=lambda self: self.spec.parent != self.metadata.name,
            message="parent must name another, more general Specialist, or be left out",
            got='the Specialist itself, "{self.spec.parent}"',
            at="spec.parent",
        ),
        Rule(
            cel="!has(self.spec.routing) || !has(self.spec.routing.escalateTo) "
            "|| !(self.metadata.name in self.spec.routing.escalateTo)",
            holds=lambda self: self.metadata.name not in self.spec.routing.escalate_to,
            message="escalateTo must name other Specialists",
            got='the Specialist itself, "{self.metadata.name}"',
            at="spec.routing.escalateTo",
        ),
    )

    kind: Literal["Specialist"] = "Specialist"
    spec: SpecialistSpec
    status: SpecialistStatus = Field(default_factory=SpecialistStatus)
