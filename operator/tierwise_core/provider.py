"""What a provider allows and promises: rate limits, certificates, and the day its model ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

__all__ = ["NOTICE_DAYS", "NO_REQUIREMENTS", "NO_TERMS", "ProviderTerms", "Requirements", "words"]

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
        return cls(words(compliance), words(regions), today)

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


def words(texts: Iterable[str]) -> frozenset[str]:
    """Words as they are compared: without blanks around them, in lower case.

    >>> sorted(words([" SOC2", "soc2", "", "EU"]))
    ['eu', 'soc2']
    """
    return frozenset(word for text in texts if (word := text.strip().lower()))
