"""What a request asks of whoever answers it: by its headers, by its tenant, and by the day."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache

from tierwise_core.provider import NO_REQUIREMENTS, Requirements
from tierwise_core.refusal import refusal
from tierwise_core.route_table import Route
from tierwise_core.tenant import TenantRoute
from tierwise_router.errors import RequestError
from tierwise_router.upstream.response import Headers

__all__ = ["KEPT_HEADERS", "check_named", "requirements_for"]

COMPLIANCE = b"x-tierwise-compliance"
REGION = b"x-tierwise-region"
DAY_S = 86400
KEPT_HEADERS = frozenset({b"x-session-id", b"x-tierwise-when-asleep", COMPLIANCE, REGION})
"""The headers of a request that hold for it when it is answered later, too."""


def requirements_for(
    headers: Headers, of_tenant: Requirements = NO_REQUIREMENTS, now_s: float | None = None
) -> Requirements:
    """Read the requirements of a request; those of its tenant are added, never lifted.

    >>> needed = requirements_for([(b"x-tierwise-compliance", b"EU, hipaa")], now_s=0)
    >>> sorted(needed.compliance), needed.today
    (['eu', 'hipaa'], datetime.date(1970, 1, 1))
    """
    compliance = region = b""
    for name, value in headers:
        if name == COMPLIANCE:
            compliance = value
        elif name == REGION:
            region = value
    day = int(time.time() if now_s is None else now_s) // DAY_S
    if not compliance and not region and of_tenant is NO_REQUIREMENTS:
        return _none_on(day)
    return _read(compliance, region, of_tenant, day)


def check_named(route: Route, headers: Headers, tenant: TenantRoute | None) -> None:
    """Refuse a request by name whose Specialist does not list what is required.

    A model that has ended is asked all the same: who names it decides for himself. Raises
    RequestError (403).
    """
    of_tenant = NO_REQUIREMENTS if tenant is None else tenant.requirements
    asked = any(name in {COMPLIANCE, REGION} for name, _value in headers)
    if not asked and of_tenant == NO_REQUIREMENTS:
        return
    needed = replace(requirements_for(headers, of_tenant), today=None)
    if why := refusal(route, needed):
        raise RequestError(
            f"model {route.title!r} may not answer this: {why}; name another one, or leave the "
            "choice to 'auto'",
            status=403,
            param="model",
            code="requirements_unmet",
        )


@lru_cache(maxsize=4)
def _none_on(day: int) -> Requirements:
    return _read(b"", b"", NO_REQUIREMENTS, day)


@lru_cache(maxsize=256)
def _read(compliance: bytes, region: bytes, of_tenant: Requirements, day: int) -> Requirements:
    told = Requirements.of(
        compliance.decode("latin-1").split(","), region.decode("latin-1").split(","), _date(day)
    )
    return told.joined(of_tenant)


def _date(day: int) -> date:
    return datetime.fromtimestamp(day * DAY_S, tz=UTC).date()
