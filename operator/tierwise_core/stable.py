"""What serves, apart from what the spec asks for: ``status.stable``.

A change of ``spec.model`` is a candidate, not an order. Until a rollout has promoted it the model
in ``status.stable`` serves on, and where it was rejected it serves until the spec changes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from tierwise_core.model_wire import read_model, wire_model
from tierwise_core.revision import digest
from tierwise_core.specialist import EngineSpec, ModelSpec

__all__ = [
    "Rejected",
    "Stable",
    "changed_adapters",
    "engine_digest",
    "first",
    "model_digest",
    "read_stable",
    "same",
    "served",
]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The candidate that was last rejected: its digest, its Rollout, and why.

    ``engine`` is the digest of the ``spec.engine`` that it was tried with.
    """

    revision: str
    rollout: str
    reason: str
    message: str
    engine: str = ""

    def wire(self) -> dict[str, str]:
        """Give it as the status keeps it."""
        found = {
            "revision": self.revision,
            "rollout": self.rollout,
            "reason": self.reason,
            "message": self.message,
            "engine": self.engine,
        }
        return {name: value for name, value in found.items() if value or name == "message"}


@dataclass(frozen=True, slots=True)
class Stable:
    """The model that serves.

    Attributes:
        model: the model.
        answers: the digest of the ``spec.model`` it stands for; a spec of another digest is news.
        engine: the digest of the ``spec.engine`` that it serves with.
        mark: see ``Specialist.mark``; it stays with the pods when they are promoted.
        rollout: the last Rollout whose end was taken in.
        rollout_created: when that one was created, in RFC 3339.
        utility: what the field's answers are worth with this model, in its wire form.
        rejected: the candidate that the spec still asks for and that was rejected.
    """

    model: ModelSpec
    answers: str
    engine: str = ""
    mark: str = ""
    rollout: str = ""
    rollout_created: str = ""
    utility: Mapping[str, Any] = field(default_factory=dict)
    rejected: Rejected | None = None

    def wire(self) -> dict[str, Any]:
        """Give it as ``status.stable``."""
        found = {
            "model": wire_model(self.model),
            "answers": self.answers,
            "engine": self.engine,
            "mark": self.mark,
            "rollout": self.rollout,
            "rolloutCreated": self.rollout_created,
            "utility": dict(self.utility),
            "rejected": self.rejected.wire() if self.rejected else None,
        }
        return {name: value for name, value in found.items() if value not in ("", None, {})}


def read_stable(status: Mapping[str, Any]) -> Stable | None:
    """Read ``status.stable``; None where nothing has served yet, or where it makes no sense.

    >>> read_stable({}) is None, read_stable({"stable": {"model": {"revision": "v1"}}}) is None
    (True, True)
    """
    row = status.get("stable")
    if not row:
        return None
    try:
        lost = row.get("rejected")
        return Stable(
            model=read_model(row["model"]),
            answers=str(row.get("answers", "")),
            engine=str(row.get("engine", "")),
            mark=str(row.get("mark", "")),
            rollout=str(row.get("rollout", "")),
            rollout_created=str(row.get("rolloutCreated", "")),
            utility=row.get("utility") or {},
            rejected=Rejected(**{name: str(value) for name, value in lost.items()})
            if lost
            else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def first(model: ModelSpec) -> Stable:
    """Return what is stable once the first model of a Specialist serves."""
    return Stable(model, model_digest(model, model))


def engine_digest(engine: EngineSpec) -> str:
    """Return the digest of ``spec.engine``."""
    parts = (engine.image, engine.args, engine.env, engine.pod_template)
    return digest(parts)


@lru_cache(maxsize=32_768)  # asked for every Specialist whenever the fleet is planned
def model_digest(model: ModelSpec, beside: ModelSpec) -> str:
    """Return the digest of what decides about a model's answers, seen from the one that serves.

    Sizes, credentials and the room for adapters do not. An adapter that is merely added or removed
    is loaded as it comes; one whose files are others under the same name is a candidate like a
    model.

    >>> from tierwise_core.specialist import Adapter
    >>> bare, one = (ModelSpec("hf://a/b", adapters=a) for a in ((), (Adapter("x", "hf://a/x"),)))
    >>> other = ModelSpec("hf://a/b", adapters=(Adapter("x", "hf://a/y"),))
    >>> model_digest(one, bare) == model_digest(bare, bare)
    True
    >>> model_digest(other, one) == model_digest(one, one)
    False
    """
    changed = changed_adapters(model, beside)
    return digest([_essence(model), changed] if changed else _essence(model))


def changed_adapters(model: ModelSpec, beside: ModelSpec) -> dict[str, str]:
    """Return the adapters that both have under one name and from two sources, by name."""
    known = {one.name: one.source for one in beside.adapters}
    return {
        one.name: one.source
        for one in model.adapters
        if known.get(one.name, one.source) != one.source
    }


def _essence(model: ModelSpec) -> dict[str, Any]:
    spared = {"adapters", "adapterLimits", "secretRef", "size"}
    return {name: value for name, value in wire_model(model).items() if name not in spared}


def same(model: ModelSpec, beside: ModelSpec) -> bool:
    """Say whether a model answers as the one that serves does."""
    return model_digest(model, beside) == model_digest(beside, beside)


def served(wanted: ModelSpec, stable: Stable) -> ModelSpec:
    """Return the model that serves while the spec asks for another one, or for the same.

    What a rollout is not needed for is taken from the spec: all but the answers where both are the
    same model, and adapters that come and go where only an adapter's files are others.
    """
    if same(wanted, stable.model):
        return wanted
    if _essence(wanted) != _essence(stable.model):
        return stable.model
    known = {one.name: one for one in stable.model.adapters}
    adapters = tuple(known.get(one.name, one) for one in wanted.adapters)
    return replace(wanted, adapters=adapters)
