"""Which Specialists a tenant may ask, as the answer that it gets for the others."""

from __future__ import annotations

from tierwise_core.tenant import Admitted
from tierwise_router.errors import RequestError

__all__ = ["check_permission"]

FORBIDDEN = 403


def check_permission(admitted: Admitted, specialist: str) -> None:
    """Raise RequestError (403) when a request may not go to a Specialist.

    >>> from tierwise_core.tenant import TenantRoute
    >>> team = TenantRoute("demo", "team-a", specialists=("demo/sorter",))
    >>> check_permission(Admitted(team), "demo/adder")
    Traceback (most recent call last):
        ...
    tierwise_router.errors.RequestError: tenant 'demo/team-a' may not ask 'demo/adder'; use one \
that GET /v1/models lists, or add it to the Tenant's spec.specialists
    """
    if not admitted.may_ask(specialist):
        raise RequestError(
            f"tenant {admitted.tenant_key!r} may not ask {specialist!r}; use one that GET "
            "/v1/models lists, or add it to the Tenant's spec.specialists",
            status=FORBIDDEN,
            param="model",
            code="model_not_allowed",
        )
