"""RouterPolicy, section decision: scoring, picking, spending, verifying."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from tierwise_api.base import Spec
from tierwise_api.common import Duration, Name
from tierwise_api.rules import Rule, unique
from tierwise_core import policy_decision as core
from tierwise_core.quantities import parse_duration
from tierwise_core.verifier_spec import VerifierKind, VerifierSpec

__all__ = [
    "DecisionSpec",
    "HttpVerifier",
    "JudgeVerifier",
    "LengthVerifier",
    "RegexVerifier",
    "ScorerSpec",
    "VerifierDescription",
]

MOST_HOPS = 16
MOST_CALLS = 64
_KINDS = ("regex", "json_schema", "length", "http", "llm_judge")
_ONE_KIND = (
    "[has(self.regex), has(self.jsonSchema), has(self.length), has(self.http), has(self.llmJudge)]"
    ".filter(given, given).size() == 1"
)


class ScorerSpec(Spec):
    """A scorer and how much it counts."""

    name: Name = Field(
        description="adapter-residency, cost, latency-class, load, predicted-confidence, "
        "prefix-cache, session-affinity, utility, or one that a package brings along (entry point "
        "tierwise.scorers).",
        examples=["cost"],
    )
    weight: float = Field(
        ge=0,
        le=1000,
        description="How much its value counts beside the others'; 0 switches it off.",
        examples=[1.0],
    )


class RegexVerifier(Spec):
    """The answer must contain what the pattern describes."""

    pattern: str = Field(
        min_length=1,
        max_length=1024,
        description="A regular expression of Python; ^ and $ make it the whole answer.",
        examples=["^ORD-[0-9]{6}$"],
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        # The API server's expressions are of another kind (RE2): only Python can judge it.
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"pattern is no regular expression of Python: {error}") from None
        return pattern


class LengthVerifier(Spec):
    """The answer must have about this many characters."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.maxCharacters) || self.maxCharacters >= self.minCharacters",
            holds=lambda self: (
                self.max_characters is None or self.max_characters >= self.min_characters
            ),
            message="maxCharacters must be at least minCharacters: raise it, or lower the other",
            got="{self.minCharacters} and {self.maxCharacters}",
            at="maxCharacters",
        ),
    )

    min_characters: int = Field(default=0, ge=0, description="At least.", examples=[1])
    max_characters: int | None = Field(
        default=None, ge=1, description="At most; no bound by default.", examples=[500]
    )


class HttpVerifier(Spec):
    """A service of your own decides.

    It gets a POST with the JSON verifier, specialist, question and answer, and answers with
    accepted (true or false), and if it likes confidence (0 to 1) and detail.
    """

    url: str = Field(
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        max_length=1024,
        description="Its address, without a query.",
        examples=["http://checks.demo.svc/verify"],
    )
    timeout: Duration = Field(
        default="2s", description="The longest it may take.", examples=["500ms"]
    )


class JudgeVerifier(Spec):
    """Another Specialist is asked whether the answer is right; it costs a call."""

    specialist: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=127,
        description="Its full name, namespace/name.",
        examples=["demo/judge"],
    )
    instruction: str = Field(
        default="",
        max_length=4096,
        description="What it is told before question and answer; it must begin with yes or no. By "
        "default it is asked whether the answer is right.",
        examples=["Is the answer polite? Begin with yes or no."],
    )
    timeout: Duration = Field(
        default="20s", description="The longest it may take.", examples=["5s"]
    )


class VerifierDescription(Spec):
    """A verifier that Specialists may name beside the built-in ones; exactly one kind."""

    rules: ClassVar = (
        Rule(
            cel=_ONE_KIND,
            holds=lambda self: sum(getattr(self, kind) is not None for kind in _KINDS) == 1,
            message="a verifier must have exactly one of regex, jsonSchema, length, http and "
            "llmJudge: keep one",
            at="name",
        ),
    )

    name: Name = Field(description="What Specialists call it.", examples=["order-number"])
    trust: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="For http and llmJudge: the probability, above 0.5, that its yes is right. A "
        "yes multiplies the odds of the answer by trust / (1 - trust); a no refuses it.",
        examples=[0.9],
    )
    on_failure: Literal["Reject", "Ignore"] = Field(
        default="Reject",
        description="What counts when it can give no word: Reject takes the answer for wrong, "
        "Ignore goes on without it.",
        examples=["Ignore"],
    )
    regex: RegexVerifier | None = Field(default=None, description="A pattern.")
    json_schema: dict[str, Any] | None = Field(
        default=None,
        description="A JSON Schema (2020-12) that the answer must fulfil.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        examples=[{"type": "object", "required": ["total"]}],
    )
    length: LengthVerifier | None = Field(default=None, description="A number of characters.")
    http: HttpVerifier | None = Field(default=None, description="A service of your own.")
    llm_judge: JudgeVerifier | None = Field(default=None, description="Another Specialist.")

    def to_core(self) -> VerifierSpec:
        """The verifier as the router's core reads it."""
        common: dict[str, Any] = {
            "name": self.name,
            "trust": self.trust,
            "on_failure": self.on_failure,
        }
        if self.regex is not None:
            return VerifierSpec(kind="regex", pattern=self.regex.pattern, **common)
        if self.json_schema is not None:
            schema = json.dumps(self.json_schema, sort_keys=True)
            return VerifierSpec(kind="json-schema", schema=schema, **common)
        if self.length is not None:
            bounds = (self.length.min_characters, self.length.max_characters)
            return VerifierSpec(
                kind="length", min_characters=bounds[0], max_characters=bounds[1], **common
            )
        return self._remote(common)

    def _remote(self, common: dict[str, Any]) -> VerifierSpec:
        kind: VerifierKind = "http"
        if self.http is not None:
            timeout = parse_duration(self.http.timeout)
            return VerifierSpec(kind=kind, url=self.http.url, timeout_s=timeout, **common)
        judge = self.llm_judge or JudgeVerifier(specialist="default/judge")
        return VerifierSpec(
            kind="llm-judge",
            specialist=judge.specialist,
            instruction=judge.instruction,
            timeout_s=parse_duration(judge.timeout),
            **common,
        )


class DecisionSpec(Spec):
    """How candidates are scored and picked, and what one request may spend."""

    scorers: Annotated[
        list[ScorerSpec],
        Field(max_length=32),
        unique("scorers must name each scorer once: remove the repeated name", key="name"),
    ] = Field(
        default_factory=list,
        description="What decides among the Specialists of a field that are confident enough: the "
        "highest weighted mean is asked first, equals by price. Left out, cost weighs 1, load and "
        "latency-class 0.25, session-affinity 0.05: the cheapest, unless it is swamped.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        examples=[[{"name": "cost", "weight": 1}, {"name": "predicted-confidence", "weight": 2}]],
    )
    max_hops: int = Field(
        default=4,
        ge=1,
        le=MOST_HOPS,
        description="The most Specialists that one request is sent to. A request may ask for less "
        "by the header x-tierwise-max-hops.",
        examples=[2],
    )
    max_calls: int = Field(
        default=8,
        ge=1,
        le=MOST_CALLS,
        description="The most calls to endpoints for one request, with retries, hedges, judges and "
        "services. Less by x-tierwise-max-calls.",
        examples=[4],
    )
    max_cost_usd: float | None = Field(
        default=None,
        ge=0,
        description="What one request may cost: a call that is expected to go beyond it is not "
        "made. No bound by default. Less by x-tierwise-max-cost-usd.",
        examples=[0.05],
    )
    max_routers: int = Field(
        default=3,
        ge=1,
        le=16,
        description="How many routers may pass a request on to each other, one's external "
        "Specialist being the next one's endpoint.",
        examples=[2],
    )
    verifiers: Annotated[
        list[VerifierDescription],
        Field(max_length=64),
        unique("verifiers must have names of their own: two have the same", key="name"),
    ] = Field(
        default_factory=list,
        description="Verifiers that Specialists may name beside the built-in finished, json, "
        "json-schema (the request's own), non-empty and numeric.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        examples=[[{"name": "order-number", "regex": {"pattern": "^ORD-[0-9]{6}$"}}]],
    )

    def to_core(self) -> core.DecisionPolicy:
        """The section as the router's core reads it."""
        weights = tuple(core.ScorerWeight(one.name, one.weight) for one in self.scorers)
        return core.DecisionPolicy(
            scorers=weights or core.DEFAULT_SCORERS,
            max_hops=self.max_hops,
            max_calls=self.max_calls,
            max_cost_usd=self.max_cost_usd,
            max_routers=self.max_routers,
            verifiers=tuple(one.to_core() for one in self.verifiers),
        )
