"""How a Specialist that has drifted is trained again."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from tierwise_api.base import Spec
from tierwise_api.common import Duration
from tierwise_core.quantities import parse_duration

__all__ = ["JobMetadata", "JobTemplate", "TrainingSpec"]


class JobMetadata(Spec):
    """What the Job is marked with, besides the operator's own labels."""

    labels: dict[str, str] = Field(default_factory=dict, description="Its labels.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Its annotations.")


class JobTemplate(Spec):
    """A batch/v1 JobTemplateSpec."""

    metadata: JobMetadata = Field(
        default_factory=JobMetadata,
        description="Labels and annotations of the Job.",
        examples=[{"labels": {"team": "search"}}],
    )
    spec: dict[str, Any] = Field(
        description="The spec of the Job, as in batch/v1.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        examples=[
            {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "train", "image": "acme/dpo:1"}],
                    }
                }
            }
        ],
    )

    @field_validator("spec")
    @classmethod
    def _has_containers(cls, spec: dict[str, Any]) -> dict[str, Any]:
        # The API server cannot look into fields that it merely keeps: only Python can judge it.
        inside: Any = spec
        for key in ("template", "spec", "containers"):
            inside = inside.get(key) if isinstance(inside, dict) else None
        if not isinstance(inside, list) or not inside:
            raise ValueError("spec.template.spec.containers must have at least one container")
        return spec


class TrainingSpec(Spec):
    """The Job that makes a better candidate from what went wrong.

    It starts when the Specialist has drifted. Its containers find the preference pairs (JSON lines
    with prompt, chosen and rejected, as TRL's trainers read them) in the file that TIERWISE_PAIRS
    names, and the model that serves in TIERWISE_MODEL_SOURCE. The first container to do so ends
    with a termination message {"source": "pvc://CLAIM/PATH"}: that model becomes the candidate.
    """

    job_template: JobTemplate = Field(
        description="The Job. It runs in the Specialist's namespace and is owned by it.",
    )
    min_pairs: int = Field(
        default=20,
        ge=0,
        le=1_000_000,
        description="Preference pairs there must be before a training starts.",
        examples=[50],
    )
    timeout: Duration = Field(
        default="4h",
        description="How long the Job may run. It is its activeDeadlineSeconds where the template "
        "gives none.",
        examples=["2h"],
    )
    every: Duration = Field(
        default="24h",
        description="The least time from the start of one training to that of the next.",
        examples=["24h"],
    )

    @property
    def timeout_seconds(self) -> float:
        """The Job's time limit in seconds."""
        return parse_duration(self.timeout)

    @property
    def every_seconds(self) -> float:
        """The least time between two trainings in seconds."""
        return parse_duration(self.every)
