"""What is known of the fields of a graph, and what is advised; used through ``decomposition``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tierwise_core.errors import InvalidSizeError

__all__ = ["Advice", "Bounds", "Decision", "FieldFigures", "OneGPU", "check_figures"]


@dataclass(frozen=True, slots=True)
class OneGPU:
    """The GPU that a submodel should fit: a tier's name and what one of its GPUs lets us use."""

    tier: str
    usable_bytes: int
    usd_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """When to stop.

    Attributes:
        contradiction_rate: the statistical bound.
        least_share: the share of all requests below which a field gets no model of its own.
    """

    contradiction_rate: float = 0.02
    least_share: float = 0.02


@dataclass(frozen=True, slots=True)
class FieldFigures:
    """What is known of a field. ``None`` is "not known".

    Attributes:
        name: the field.
        volume: requests, in any unit that is the same for all fields.
        contradiction_rate: share of answers that contradict others or a verified one, 0 to 1.
        judged: on how many answers that rate was counted; ``None`` takes the rate as exact.
        accuracy: share of answers that were accepted, 0 to 1; shown, and decides nothing.
        parameters: of the model that answers the field, or would.
        bytes_per_parameter: its width in memory: 2 for bf16, 1 for fp8, 0.56 for 4 bit with scales.
        weights_bytes: its weights, where they are known better than parameters x width.
        kv_cache_bytes: the KV cache and working memory it needs beside the weights.
        children: the subfields it could be branched into.
    """

    name: str
    volume: float | None = None
    contradiction_rate: float | None = None
    judged: int | None = None
    accuracy: float | None = None
    parameters: int | None = None
    bytes_per_parameter: float = 2.0
    weights_bytes: int | None = None
    kv_cache_bytes: int = 0
    children: tuple[FieldFigures, ...] = ()

    @property
    def model_bytes(self) -> int | None:
        """The weights in bytes, or None when neither they nor the parameters are known.

        >>> FieldFigures("law", parameters=7_000_000_000).model_bytes
        14000000000
        """
        if self.weights_bytes is not None:
            return self.weights_bytes
        return None if self.parameters is None else int(self.parameters * self.bytes_per_parameter)


class Decision(StrEnum):
    """What to do with a field."""

    BRANCH = "Branch"
    STOP_HARDWARE = "FitsOneGPU"
    STOP_STATISTICAL = "Consistent"
    KEEP_WITH_PARENT = "KeepWithParent"
    MEASURE = "MeasureFirst"
    NAME_SUBFIELDS = "NameSubfields"


@dataclass(frozen=True, slots=True)
class Advice:
    """The advice on one field and on those below it.

    Attributes:
        field: its name.
        decision: for programs.
        reason: in words and numbers.
        figures: what it rests on.
        share: of all requests, 0 to 1; ``None`` if volumes are not known.
        children: the advice on its subfields, if it is branched.
    """

    field: str
    decision: Decision
    reason: str
    figures: FieldFigures
    share: float | None = None
    children: tuple[Advice, ...] = ()


def check_figures(root: FieldFigures, bounds: Bounds) -> None:
    """Refuse figures that cannot be, and names that are there twice.

    Raises:
        InvalidSizeError: with the path of the field, the figure, and what would be right.
    """
    _check(root, bounds, {})


def _check(field: FieldFigures, bounds: Bounds, seen: dict[str, str], path: str = "") -> None:
    here = f"{path}/{field.name}"
    if field.name in seen:
        raise InvalidSizeError(
            f"{here}: there is a field {field.name!r} at {seen[field.name]} already; give each "
            "field a name of its own"
        )
    seen[field.name] = here
    for name, value in _shares(field, bounds).items():
        if value is not None and not 0 <= value <= 1:
            raise InvalidSizeError(f"{here}: {name} is {value}; give a share from 0 to 1")
    for name, value in _amounts(field).items():
        if value is not None and value <= 0:
            raise InvalidSizeError(f"{here}: {name} is {value}; give a number above 0")
    _check_volumes(field, here)
    for child in field.children:
        _check(child, bounds, seen, here)


def _shares(field: FieldFigures, bounds: Bounds) -> Mapping[str, float | None]:
    return {
        "contradictionRate": field.contradiction_rate,
        "accuracy": field.accuracy,
        "contradictionBound": bounds.contradiction_rate,
        "leastShare": bounds.least_share,
    }


def _amounts(field: FieldFigures) -> Mapping[str, float | None]:
    return {
        "judged": field.judged,
        "parameters": field.parameters,
        "bytesPerParameter": field.bytes_per_parameter,
        "weights": field.weights_bytes,
    }


def _check_volumes(field: FieldFigures, here: str) -> None:
    """Subfields cannot be asked more than the field they belong to."""
    if field.volume is None:
        return
    if field.volume < 0:
        raise InvalidSizeError(f"{here}: volume is {field.volume}; give 0 or more requests")
    below = sum(child.volume or 0 for child in field.children)
    if below > field.volume * (1 + 1e-9):
        raise InvalidSizeError(
            f"{here}: volume is {field.volume:g}, its subfields have {below:g} together; give the "
            "field at least as much as they have"
        )
