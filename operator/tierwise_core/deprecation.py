"""``ProviderSupported``: does the provider serve the model, and for how long?"""

from __future__ import annotations

from datetime import date

from tierwise_core.conditions import FALSE, TRUE, Verdict
from tierwise_core.provider import ProviderTerms

__all__ = ["provider_verdict"]


def provider_verdict(model: str, terms: ProviderTerms, today: date) -> Verdict | None:
    """Return the condition of an external Specialist; None where no end is known.

    It turns False in time to act: ``DeprecationNear`` within the notice, ``Deprecated`` from the
    day itself on.

    >>> terms = ProviderTerms(deprecation_date=date(2027, 1, 31), notice_days=60)
    >>> provider_verdict("large", terms, date(2027, 1, 1)).message
    'spec.external: large ends on 2027-01-31, in 30 days; name a successor in spec.external.model'
    >>> [provider_verdict("large", terms, day).reason
    ...  for day in (date(2026, 11, 1), date(2027, 1, 30), date(2027, 1, 31))]
    ['Supported', 'DeprecationNear', 'Deprecated']
    """
    left = terms.days_left(today)
    if left is None:
        return None
    told = f"spec.external: {model} ends on {terms.deprecation_date}"
    remedy = "name a successor in spec.external.model"
    if terms.retired(today):
        message = (
            f"spec.external: {model} ended on {terms.deprecation_date}; requests for auto pass it "
            f"over: {remedy}"
        )
        return Verdict("ProviderSupported", FALSE, "Deprecated", message)
    if left <= terms.notice_days:
        days = "tomorrow" if left == 1 else f"in {left} days"
        return Verdict("ProviderSupported", FALSE, "DeprecationNear", f"{told}, {days}; {remedy}")
    return Verdict("ProviderSupported", TRUE, "Supported", told)
