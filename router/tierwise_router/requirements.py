"""What a request asks of whoever answers it: by its headers, by its tenant, and by the day."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from functools import lru_cache

from tierwise_core.provider import NO_REQUIREMENTS, Requirements
from tierwise_router.upstream.response import Headers

__all__ = ["requirements_for"]

COMPLIANCE = b"x-tierwise-compliance"
REGION = b"x-tierwise-region"
DAY_S = 86400


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
    return _read(
        compliance, region, of_tenant, int(time.time() if now_s is None else now_s) // DAY_S
    )


@lru_cache(maxsize=256)
def _read(compliance: bytes, region: bytes, of_tenant: Requirements, day: int) -> Requirements:
    told = Requirements.of(
        compliance.decode("latin-1").split(","), region.decode("latin-1").split(","), _date(day)
    )
    return told.joined(of_tenant)


def _date(day: int) -> date:
    return datetime.fromtimestamp(day * DAY_S, tz=UTC).date()
