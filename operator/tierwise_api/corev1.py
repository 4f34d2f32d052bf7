"""The few types of core/v1 that a spec embeds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Text
from tierwise_api.rules import Rule

__all__ = ["EnvVar", "SecretKeyRef", "SecretRef", "Toleration"]


class Toleration(Spec):
    """A taint that the pods may ignore, as in a pod's `tolerations`."""

    rules = (
        Rule(
            cel="!has(self.operator) || self.operator != 'Exists' || !has(self.value)",
            holds=lambda self: self.operator != "Exists" or self.value is None,
            message="value must be left out when operator is Exists: it matches every value",
            at="value",
        ),
        Rule(
            cel="has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            holds=lambda self: self.key is not None or self.operator == "Exists",
            message="key must be given unless operator is Exists: "
            "without both, nothing would be tolerated",
            at="key",
        ),
    )

    key: str | None = Field(
        default=None, max_length=317, description="The taint's key.", examples=["nvidia.com/gpu"]
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None,
        description="Exists matches every value of the key; Equal, which is what Kubernetes "
        "assumes, matches one.",
    )
    value: str | None = Field(
        default=None, max_length=63, description="The taint's value, for Equal."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Which effect is tolerated; every effect when left out."
    )
    toleration_seconds: int | None = Field(
        default=None,
        description="Seconds a pod stays after a NoExecute taint; for ever by default.",
    )


class SecretKeyRef(Spec):
    """One key of a Secret in the same namespace."""

    name: Text = Field(description="The Secret's name.", examples=["openai"])
    key: Text = Field(description="The key in the Secret's data.", examples=["api-key"])


class SecretRef(Spec):
    """A whole Secret in the same namespace."""

    name: Text = Field(description="The Secret's name.", examples=["model-store"])


class EnvVar(Spec):
    """An environment variable of the engine's container, as in a pod's `env`."""

    rules = (
        Rule(
            cel="!(has(self.value) && has(self.valueFrom))",
            holds=lambda self: self.value is None or self.value_from is None,
            message="value and valueFrom must not both be given: keep one",
        ),
    )

    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="The variable's name.", examples=["HF_HUB_OFFLINE"]
    )
    value: str | None = Field(
        default=None, max_length=32768, description="Its value, literally.", examples=["1"]
    )
    value_from: dict[str, Any] | None = Field(
        default=None,
        description="Where its value comes from instead: secretKeyRef, configMapKeyRef, fieldRef "
        "or resourceFieldRef, as in core/v1.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        examples=[{"secretKeyRef": {"name": "hub", "key": "token"}}],
    )
