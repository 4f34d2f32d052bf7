"""What a provider allows and promises: rate limits, certificates, and the day its model ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tierwise_core.route_table import Route

__all__ = ["NOTICE_DAYS", "NO_REQUIREMENTS", "NO_TERMS", "ProviderTerms", "Requirements", "refusal"]

NOTICE_DAYS: Final = 60
"""How many days before its end a model is warned of."""


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """What a provider allows its account, and until when it serves the model; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrency: int | None = None
    deprecation_date: date | None = None
    notice_days: int = NOTICE_DAYS

    @property
    def limited(self) -> bool:
        """Tell whether there is any limit to keep."""
        return any((self.requests_per_minute, self.tokens_per_minute, self.max_concurrency))

    def days_left(self, today: date) -> int | None:
        """Count the days until the model ends; None where no end is known, below 1 when it has.

        >>> ProviderTerms(deprecation_date=date(2027, 1, 31)).days_left(date(2027, 1, 1))
        30
        """
        return None if self.deprecation_date is None else (self.deprecation_date - today).days

    def retired(self, today: date) -> bool:
        """Tell whether the provider no longer serves the model: from the day itself on.

        >>> ProviderTerms(deprecation_date=date(2027, 1, 31)).retired(date(2027, 1, 31))
        True
        """
        return self.deprecation_date is not None and today >= self.deprecation_date


NO_TERMS: Final = ProviderTerms()


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a request, or its tenant, asks of whoever answers it.

    ``compliance`` must all be listed (in any case). One of ``regions`` must be where the answer is
    computed; ``eu`` means every region that begins with ``eu-``. ``today`` is the day on which
    models count as retired.
    """

    compliance: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    today: date | None = None

    @classmethod
    def of(
        cls, compliance: Iterable[str] = (), regions: Iterable[str] = (), today: date | None = None
    ) -> Requirements:
        """Make requirements of words as people write them."""
        return cls(_words(compliance), _words(regions), today)

    def joined(self, other: Requirements) -> Requirements:
        """Ask for what either asks for; where both name regions, those of both.

        >>> mine = Requirements.of(["SOC2"], ["eu"])
        >>> sorted(mine.joined(Requirements.of(["hipaa"], ["eu", "us"])).regions)
        ['eu']
        """
        both = self.regions & other.regions
        regions = both or self.regions or other.regions
        if self.regions and other.regions and not both:
            regions = frozenset({NOWHERE})
        return Requirements(self.compliance | other.compliance, regions, self.today or other.today)


NOWHERE: Final = "nowhere"
NO_REQUIREMENTS: Final = Requirements()


def refusal(route: Route, needed: Requirements) -> str:
    """Say why a Specialist must not be asked; empty when it may.

    >>> from tierwise_core.route_table import Route
    >>> route = Route("demo", "large", "general", "large", external=True, compliance=("SOC2",))
    >>> refusal(route, Requirements.of(["soc2"]))
    ''
    >>> refusal(route, Requirements.of(["SOC2", "HIPAA"]))
    'it does not list hipaa (it lists soc2)'
    >>> refusal(route, Requirements.of(regions=["eu"]))
    'its region is not known; eu is needed'
    """
    return _retired(route, needed.today) or _uncertified(route, needed) or _elsewhere(route, needed)


def _retired(route: Route, today: date | None) -> str:
    terms = route.provider
    if terms is None or today is None or not terms.retired(today):
        return ""
    return f"its provider retired the model on {terms.deprecation_date}"


def _uncertified(route: Route, needed: Requirements) -> str:
    if not needed.compliance:
        return ""
    listed = _words(route.compliance)
    if not (missing := needed.compliance - listed):
        return ""
    has = f"it lists {', '.join(sorted(listed))}" if listed else "it lists nothing"
    return f"it does not list {', '.join(sorted(missing))} ({has})"


def _elsewhere(route: Route, needed: Requirements) -> str:
    if not needed.regions:
        return ""
    region = route.region.lower()
    if any(region == one or region.startswith(f"{one}-") for one in needed.regions):
        return ""
    where = f"its region is {region}" if region else "its region is not known"
    return f"{where}; {' or '.join(sorted(needed.regions))} is needed"


def _words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts if (word := text.strip().lower()))
