"""FieldProfile: how answers of one field are judged, and how bad a wrong one is."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec, Status, is_dns_label
from tierwise_api.common import Conditions, Fraction01, Name
from tierwise_api.rollout_examination import FieldHeldOutSet
from tierwise_api.rules import Rule

__all__ = [
    "FieldProfile",
    "FieldProfileSpec",
    "FieldProfileStatus",
    "FieldWindow",
    "UtilityWeights",
]

_TOLERANCE = 1e-6


class UtilityWeights(Spec):
    """The weights of utility: U = efficacy x E + confidence x C + curiosity x K."""

    rules = (
        Rule(
            cel="self.efficacy + self.confidence + self.curiosity >= 0.999999 "
            "&& self.efficacy + self.confidence + self.curiosity <= 1.000001",
            holds=lambda self: abs(self.total - 1) <= _TOLERANCE,
            message="weights must sum to 1 over efficacy, confidence and curiosity",
            got="{self.efficacy} + {self.confidence} + {self.curiosity}",
        ),
    )

    efficacy: Fraction01 = Field(
        description="Weight, 0 to 1, of the share of answers that were verified or accepted.",
        examples=[0.6],
    )
    confidence: Fraction01 = Field(
        description="Weight, 0 to 1, of calibrated confidence less contradictions.",
        examples=[0.35],
    )
    curiosity: Fraction01 = Field(
        description="Weight, 0 to 1, of the bonus for trying what has seldom been tried.",
        examples=[0.05],
    )

    @property
    def total(self) -> float:
        """The sum of the three, 1 within a millionth."""
        return self.efficacy + self.confidence + self.curiosity


class FieldWindow(Spec):
    """Over how many interactions a change must hold."""

    interactions: int = Field(
        default=4,
        ge=1,
        le=1_000_000,
        description="Interactions, T, over which a deviation must hold before anything is done "
        "about it.",
        examples=[10],
    )


_Word = Annotated[str, Field(min_length=1, max_length=63)]


class FieldCompliance(Spec):
    """What is asked of every candidate of the field before anybody is sent to it."""

    standards: list[_Word] = Field(
        default_factory=list,
        max_length=32,
        description="Standards that the Specialist must list in routing.compliance.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["HIPAA"]],
    )
    regions: list[_Word] = Field(
        default_factory=list,
        max_length=32,
        description="One of these must be the Specialist's routing.region, or its beginning: eu "
        "is every region that begins with eu-.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["eu"]],
    )
    sources: list[Annotated[str, Field(min_length=1, max_length=1024)]] = Field(
        default_factory=list,
        max_length=32,
        description="Where models and adapters may come from, as prefixes of their source: a "
        "registry or bucket into which only what has been cleared (licence, origin) is put.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["s3://approved/", "oci://registry.example.com/models/"]],
    )


class FieldProfileSpec(Spec):
    """How a field judges its answers."""

    weights: UtilityWeights = Field(
        description="The weights of utility; together 1.",
        examples=[{"efficacy": 0.6, "confidence": 0.35, "curiosity": 0.05}],
    )
    penalty_multiplier: float = Field(
        default=1.0,
        ge=1,
        description="How many times worse a wrong answer is here than in creative work. A change "
        "of utility counts from 0.05 / penaltyMultiplier on.",
        examples=[2],
    )
    window: FieldWindow = Field(
        default_factory=FieldWindow,
        description="How long a change must hold.",
        examples=[{"interactions": 10}],
    )
    promotion_threshold: float = Field(
        default=0.9,
        gt=0.5,
        le=1,
        description="The candidate's share of the traffic, above 0.5 and up to 1, at which a "
        "rollout promotes it.",
        examples=[0.9],
    )
    risk_tier: Literal["low", "important", "critical"] = Field(
        default="low",
        description="What a wrong answer can do: low is left to one model, important calls for 2 "
        "of 3 that agree, critical for a signed quorum of 2f+1 out of 3f+1. It is noted; no "
        "request is held to it yet.",
        examples=["important"],
    )
    contradiction_tolerance: float = Field(
        default=1.5,
        ge=1,
        description="A candidate is rolled back when it contradicts what is known this many times "
        "as often as the running revision.",
        examples=[1.5],
    )
    verifiers: list[Name] = Field(
        default_factory=list,
        max_length=16,
        description="Verifiers for the field's answers, where a Specialist names none.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["json-schema"]],
    )
    compliance: FieldCompliance = Field(
        default_factory=FieldCompliance,
        description="What a candidate needs before a rollout sends anybody to it: the gate "
        "Compliance, which holds.",
        examples=[{"standards": ["HIPAA"], "sources": ["s3://approved/"]}],
    )
    benchmark: FieldHeldOutSet | None = Field(
        default=None,
        description="Held-out questions for candidates of the field, where a Rollout names none.",
        examples=[{"configMap": {"namespace": "quality", "name": "sorting-held-out"}}],
    )
    safety: FieldHeldOutSet | None = Field(
        default=None,
        description="What a candidate must decline at least as often as the running revision, as "
        "fine-tuning may loosen it: a candidate that falls behind is held for a person to judge.",
        examples=[{"configMap": {"namespace": "quality", "name": "refusals"}}],
    )


class FieldProfileStatus(Status):
    """What the operator sees of the profile."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation this status describes."
    )
    conditions: Conditions = Field(default_factory=list)


class FieldProfile(Resource):
    """How answers of one field are judged, and how bad a wrong one is.

    Its name is the field's. The fields general, software-engineering, creative, medical, legal and
    financial have built-in profiles, so that none is needed to start.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: FieldProfile
        metadata: {name: software-engineering}
        spec:
          weights: {efficacy: 0.6, confidence: 0.35, curiosity: 0.05}
          penaltyMultiplier: 2
          window: {interactions: 10}
    """

    names: ClassVar = Names(
        plural="fieldprofiles",
        short="fp",
        namespaced=False,
        columns=(
            Column(name="Efficacy", path=".spec.weights.efficacy", type="number"),
            Column(name="Confidence", path=".spec.weights.confidence", type="number"),
            Column(name="Curiosity", path=".spec.weights.curiosity", type="number"),
            Column(name="Penalty", path=".spec.penaltyMultiplier", type="number"),
            Column(name="Window", path=".spec.window.interactions", type="integer"),
            Column(name="Risk", path=".spec.riskTier"),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
    )
    rules = (
        Rule(
            cel="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') "
            "&& self.metadata.name.size() <= 63",
            holds=lambda self: is_dns_label(self.metadata.name),
            message="metadata.name must be the name of a field: at most 63 lower case letters, "
            "digits and inner dashes",
            got='"{self.metadata.name}"',
            at="metadata.name",
        ),
    )

    kind: Literal["FieldProfile"] = "FieldProfile"
    spec: FieldProfileSpec
    status: FieldProfileStatus = Field(default_factory=FieldProfileStatus)
