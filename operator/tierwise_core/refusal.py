"""Whether a Specialist may be asked at all: its model's end, its certificates, its region."""

from __future__ import annotations

from datetime import date

from tierwise_core.provider import Requirements, words
from tierwise_core.route_table import Route

__all__ = ["refusal"]


def refusal(route: Route, needed: Requirements) -> str:
    """Say why a Specialist must not be asked; empty when it may.

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
    listed = words(route.compliance)
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
