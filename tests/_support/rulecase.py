"""A rule's case: a good and a bad object, where the blame falls, and what people read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from manifests import manifest

Changes = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCase:
    """An object that breaks one rule, beside one that barely keeps it."""

    name: str
    kind: str
    bad: Changes
    at: str
    says: str
    good: Changes = field(default_factory=dict)

    def good_object(self) -> dict[str, Any]:
        return manifest(self.kind, self.good)

    def bad_object(self) -> dict[str, Any]:
        return manifest(self.kind, self.bad)


QUANTITY = (
    "must be a positive Kubernetes quantity: a number with an optional suffix, such as 24Gi "
    "(binary) or 40G (decimal)"
)
