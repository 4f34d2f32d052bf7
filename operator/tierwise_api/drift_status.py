"""What a Specialist's status says of drift, and of the training that answers it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Status
from tierwise_api.common import Fraction01, Timestamp

__all__ = ["DriftStatus", "TrainingStatus"]

State = Annotated[str, Field(json_schema_extra={"enum": ["Waiting", "Running", "Failed", "Done"]})]


class DriftStatus(Status):
    """How useful the model that serves was, and how useful it is of late."""

    base_utility: Fraction01 | None = Field(
        default=None, description="Mean utility of its first answers, 0 to 1."
    )
    base_answers: int | None = Field(
        default=None, ge=0, description="How many judged answers that is drawn from."
    )
    utility: Fraction01 | None = Field(default=None, description="Mean utility of late, 0 to 1.")
    answers: int | None = Field(
        default=None, ge=0, description="How many judged answers that is drawn from."
    )
    counts_from: float | None = Field(
        default=None, description="The change of utility that counts in the field."
    )
    since: Timestamp | None = Field(default=None, description="From when on answers are counted.")
    detected_at: Timestamp | None = Field(
        default=None, description="When a change was found; absent while there is none."
    )
    memory: str = Field(
        default="",
        max_length=16_384,
        description="What the operator remembers of the evidence, for itself.",
    )


class TrainingStatus(Status):
    """The last training; the condition Retraining tells it to programs."""

    state: State = Field(
        description="Waiting for more preference pairs; Running; Failed, message says why; Done: "
        "rollout tries what it made."
    )
    number: int = Field(default=0, ge=0, description="Which training of the Specialist it is.")
    started_at: Timestamp | None = Field(default=None, description="When it began.")
    run: str = Field(default="", max_length=63, description="The name of its Job.")
    pairs: int = Field(default=0, ge=0, description="How many preference pairs it got.")
    rollout: str = Field(
        default="", max_length=253, description="The Rollout that tries its result."
    )
    message: str = Field(default="", max_length=4096, description="The same for people.")
