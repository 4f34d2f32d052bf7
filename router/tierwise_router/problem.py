"""What is wrong with a resource, in words that say what would be right."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A resource that cannot be used as it is: which field, what it holds, what would be right.

    >>> print(Problem("Specialist demo/sorter", "spec.parent", "'boss'", "create it or remove it"))
    Specialist demo/sorter: spec.parent is 'boss'; create it or remove it
    """

    object_name: str
    field: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.object_name}: {self.field} is {self.value}; {self.remedy}"
