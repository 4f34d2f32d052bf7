"""Whether a Specialist may be asked at all: its model's end, its certificates, its region."""

from __future__ import annotations

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
    # Most need nothing: each call that finds that out would cost more than all of this.
    terms, today = route.provider, needed.today
    if terms is not None and terms.deprecation_date is not None and today is not None:  # noqa: SIM102
        if terms.retired(today):
            return f"its provider retired the model on {terms.deprecation_date}"
    if needed.compliance and (why := _uncertified(route, needed)):
        return why
    return _elsewhere(route, needed) if needed.regions else ""


def _uncertified(route: Route, needed: Requirements) -> str:
    listed = words(route.compliance)
    if not (missing := needed.compliance - listed):
        return ""
    has = f"it lists {', '.join(sorted(listed))}" if listed else "it lists nothing"
    return f"it does not list {', '.join(sorted(missing))} ({has})"


def _elsewhere(route: Route, needed: Requirements) -> str:
    region = route.region.lower()
    if any(region == one or region.startswith(f"{one}-") for one in needed.regions):
        return ""
    where = f"its region is {region}" if region else "its region is not known"
    return f"{where}; {' or '.join(sorted(needed.regions))} is needed"
