"""What a field asks of a candidate before anybody is sent to it: standards, a region, a source.

Standards and the region are those that the Specialist promises for its pods; the files are the
candidate's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tierwise_core.provider import Requirements
from tierwise_core.refusal import refusal
from tierwise_core.route_table import Route
from tierwise_core.specialist import ModelSpec, Specialist

__all__ = ["Clearance", "lacking"]


@dataclass(frozen=True, slots=True)
class Clearance:
    """What is asked for: all of the ``standards``, one of the ``regions``, one of the ``sources``.

    A region may be the beginning of one (``eu``), and a source is a prefix (``s3://approved/``).
    """

    standards: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.standards or self.regions or self.sources)


def lacking(needed: Clearance, specialist: Specialist, candidate: ModelSpec) -> tuple[str, ...]:
    """Return what is missing, in words; empty where nothing is.

    >>> sorter = Specialist("ai", "sorter", "u", 1, compliance=("HIPAA",), region="eu-central-1")
    >>> new = ModelSpec("hf://somebody/sorter")
    >>> lacking(Clearance(("hipaa",), ("eu",)), sorter, new)
    ()
    >>> lacking(Clearance(sources=("s3://approved/", "oci://acme/")), sorter, new)
    ('hf://somebody/sorter is below none of s3://approved/, oci://acme/',)
    """
    return tuple(_lacking(needed, specialist, candidate))


def _lacking(needed: Clearance, specialist: Specialist, candidate: ModelSpec) -> Iterator[str]:
    place = Route(
        specialist.namespace,
        specialist.name,
        specialist.field,
        specialist.name,
        compliance=specialist.compliance,
        region=specialist.region,
    )
    for asked in (Requirements.of(needed.standards), Requirements.of(regions=needed.regions)):
        if why := refusal(place, asked):
            yield f"spec.routing of {specialist.name}: {why}"
    if needed.sources:
        for source in (candidate.source, *(one.source for one in candidate.adapters)):
            if not source.startswith(needed.sources):
                yield f"{source} is below none of {', '.join(needed.sources)}"
