"""What a tenant may spend, in nano-USD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["NO_BUDGETS", "Budgets"]


@dataclass(frozen=True, slots=True)
class Budgets:
    """A tenant's budgets; None is no bound.

    ``day`` is for the whole tenant, ``user`` and ``session`` for each of them, all three for one
    day of UTC; ``request`` for one request. ``alert_at`` are percentages of ``day``. ``cheaper``
    says to look for somebody cheaper before a request is refused, ``goes_on`` that requests are
    answered while nobody hands budgets out.
    """

    day: int | None = None
    user: int | None = None
    session: int | None = None
    request: int | None = None
    alert_at: tuple[int, ...] = ()
    cheaper: bool = False
    goes_on: bool = True

    @property
    def any(self) -> bool:
        """Whether there is a budget at all."""
        return not (
            self.day is None and self.user is None and self.session is None and self.request is None
        )


NO_BUDGETS: Final = Budgets()
