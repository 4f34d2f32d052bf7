"""Profiles for `tierwise plan graph`: what is known of each field, written down in YAML.

The format is described in docs/cli.md; examples/graphs has one to start from.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from tierwise_api import problems
from tierwise_api.base import Spec
from tierwise_api.common import Quantity
from tierwise_cli.errors import ManifestError
from tierwise_cli.yaml_text import yaml_problem
from tierwise_core.field_figures import Bounds, FieldFigures
from tierwise_core.quantities import parse_quantity

__all__ = ["FieldProfileSpec", "Figures", "Profile", "figures_of", "known_figures", "read_profile"]


class Figures(Spec):
    """What is known of one field; whatever is left out is not known."""

    volume: float | None = Field(default=None, ge=0)
    contradiction_rate: float | None = Field(default=None, ge=0, le=1)
    judged: int | None = Field(default=None, ge=1)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    parameters: Quantity | None = None
    bytes_per_parameter: float | None = Field(default=None, gt=0, le=8)
    weights: Quantity | None = None
    kv_cache: Quantity | None = None


class FieldProfileSpec(Figures):
    """A field and those it could be branched into."""

    field: str = Field(min_length=1, max_length=63)
    children: list[FieldProfileSpec] = Field(default_factory=list)


class GPUProfile(Spec):
    """The GPU that one submodel should fit: a tier by name, or its memory."""

    tier: str | None = None
    memory: Quantity | None = None
    usable_fraction: float = Field(default=0.9, gt=0, le=1)
    usd_per_hour: float = Field(default=0.0, ge=0, alias="usdPerHour")


class BoundsProfile(Spec):
    """When to stop branching."""

    contradiction_rate: float = Field(default=0.02, gt=0, lt=1)
    least_share: float = Field(default=0.02, ge=0, lt=1)


class Profile(Spec):
    """A whole file. ``figures`` are for fields of the cluster, with --live."""

    gpu: GPUProfile = Field(default_factory=GPUProfile)
    bounds: BoundsProfile = Field(default_factory=BoundsProfile)
    graph: FieldProfileSpec | None = None
    figures: dict[str, Figures] = Field(default_factory=dict)

    @property
    def limits(self) -> Bounds:
        """The bounds as the core has them."""
        return Bounds(self.bounds.contradiction_rate, self.bounds.least_share)


def read_profile(path: Path) -> Profile:
    """The profile in a YAML or JSON file.

    Raises:
        ManifestError: it is not there, is no YAML, or a field of it makes no sense.
    """
    try:
        document = yaml.safe_load(sys.stdin.read() if str(path) == "-" else path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"-f {path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"-f {path}: {yaml_problem(error)}") from error
    if not isinstance(document, Mapping):
        raise ManifestError(
            f"-f {path}: has no graph",
            fix="write one as in examples/graphs/support-desk.yaml",
        )
    try:
        return Profile.model_validate(dict(document))
    except ValidationError as error:
        told = "; ".join(problems(error))
        raise ManifestError(f"-f {path}: {told}", fix="docs/cli.md lists the fields") from error


def figures_of(written: FieldProfileSpec) -> FieldFigures:
    """A field of a profile as the core has it, with all below it."""
    return FieldFigures(
        name=written.field,
        children=tuple(figures_of(child) for child in written.children),
        **known_figures(written),
    )


def known_figures(written: Figures) -> dict[str, Any]:
    """The figures that are given, by the core's names."""
    found = {
        "volume": written.volume,
        "contradiction_rate": written.contradiction_rate,
        "judged": written.judged,
        "accuracy": written.accuracy,
        "parameters": _optional(written.parameters),
        "bytes_per_parameter": written.bytes_per_parameter,
        "weights_bytes": _optional(written.weights),
        "kv_cache_bytes": _optional(written.kv_cache),
    }
    return {name: value for name, value in found.items() if value is not None}


def _optional(quantity: int | str | None) -> int | None:
    return None if quantity is None else parse_quantity(quantity)
