"""Whose prompts and answers are kept, of which fields, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["EVERYBODY", "ContentsPolicy"]

EVERYBODY: Final = "*"


@dataclass(frozen=True, slots=True)
class ContentsPolicy:
    """Whose prompts and answers are kept, sealed; nobody's by default.

    ``tenants`` are names as NAMESPACE/NAME, or ``*`` for everybody, those without a tenant
    included. ``fields`` are the fields of which they are kept, empty for all. ``keep_days`` is how
    long, 0 as long as their outcome.
    """

    tenants: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    keep_days: int = 30

    def of_tenant(self, tenant: str) -> bool:
        """Tell whether anything of this tenant is kept; ``tenant`` is empty for nobody's requests.

        >>> [ContentsPolicy(("demo/a",)).of_tenant(name) for name in ("demo/a", "demo/b", "")]
        [True, False, False]
        >>> ContentsPolicy((EVERYBODY,)).of_tenant("")
        True
        """
        return EVERYBODY in self.tenants or tenant in self.tenants

    def of_field(self, field: str | None) -> bool:
        """Tell whether contents of this field are kept; None is outside every field.

        >>> policy = ContentsPolicy((EVERYBODY,), fields=("sorting",))
        >>> [policy.of_field(name) for name in ("sorting", "sums", None)]
        [True, False, False]
        """
        return not self.fields or field in self.fields
