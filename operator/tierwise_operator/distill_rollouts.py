"""Rollouts and FieldProfiles of the API server turned into observations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tierwise_api import FieldProfile as FieldProfileResource
from tierwise_api import Rollout as RolloutResource
from tierwise_api.base import problems
from tierwise_api.fieldprofile import FieldProfileSpec
from tierwise_api.model import ModelSpec as ModelResource
from tierwise_api.rollout import Candidate
from tierwise_api.rollout_wish import wish_of
from tierwise_core.field_profiles import GENERAL
from tierwise_core.rollout.order import (
    APPLIED,
    TRIGGER,
    TRIGGER_MESSAGE,
    Making,
    Order,
    standing_of,
)
from tierwise_operator.distill import model_spec

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """A FieldProfile as last observed; one that cannot be read is ``invalid`` and counts as none.

    ``name`` is the field's.
    """

    name: str
    spec: FieldProfileSpec | None = None
    invalid: str | None = None


def rollout(body: Json) -> Order:
    """Return a Rollout; one that cannot be read is ``invalid`` and says why.

    What its wish leaves to the field's profile is the general field's here.
    """
    metadata, spec, status = (
        body["metadata"],
        body.get("spec") or {},
        dict(body.get("status") or {}),
    )
    training = status.pop("training", None) or {}  # the drift watch's: no pass has a say in it
    namespace, annotations = metadata.get("namespace", ""), metadata.get("annotations") or {}
    named = (spec.get("specialistRef") or {}).get("name") or ""
    known: dict[str, Any] = {
        "namespace": namespace,
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "generation": metadata.get("generation", 1),
        "specialist_key": f"{namespace}/{named}",
        "standing": standing_of(status),
        "created": str(metadata.get("creationTimestamp") or ""),
        "deleting": "deletionTimestamp" in metadata,
        "trigger": annotations.get(TRIGGER) or APPLIED,
        "trigger_message": annotations.get(TRIGGER_MESSAGE) or "",
        "spec": spec,
        "status": status,
    }
    try:
        read = RolloutResource.from_cluster({**body, "status": {}}).spec
        wish = wish_of(read, None, GENERAL)
        return Order(**known, wish=wish, **_tried(read.candidate, training))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one object is told on it
        return Order(**known, invalid=_said(error))


def _tried(candidate: Candidate, training: Json) -> dict[str, Any]:
    """Return the candidate, or how it is made."""
    model = candidate.model
    if candidate.trained_by is not None and training.get("model"):
        model = ModelResource.model_validate(training["model"])
    if model is not None:
        return {"candidate": model_spec(model)}
    told = {name: str(training.get(name) or "") for name in ("message", "problem")}
    return {"making": Making(candidate.trained_by or "", **told)}


def field_profile(body: Json) -> Profile:
    """Return a FieldProfile."""
    name = str(body["metadata"]["name"])
    try:
        return Profile(name, FieldProfileResource.from_cluster({**body, "status": {}}).spec)
    except Exception as error:  # noqa: BLE001 - likewise
        return Profile(name, invalid=_said(error))


def _said(error: Exception) -> str:
    told = "; ".join(problems(error)) if isinstance(error, ValidationError) else ""
    return told or f"the spec cannot be read: {error!r}"
