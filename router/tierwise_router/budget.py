"""What one request may still spend: calls to endpoints, and dollars.

Whatever fails, retries, hedges, escalates or judges asks here first, so that one request of a
client never becomes more than ``max_calls`` calls, and no call begins that would go beyond the
ceiling.
"""

from __future__ import annotations

from tierwise_core.spending import Limits
from tierwise_router.errors import BudgetSpentError
from tierwise_router.lease import CallPurse

__all__ = ["RequestBudget"]


class RequestBudget:
    """The account of one request.

    >>> budget = RequestBudget(Limits(max_hops=4, max_calls=1, max_cost_usd=0.01))
    >>> budget.take_call()
    >>> budget.take_call()
    Traceback (most recent call last):
        ...
    tierwise_router.errors.BudgetSpentError: the request has made the 1 calls that it may make
    >>> budget.check_cost(spent_usd=0.006, expected_usd=0.003)
    >>> budget.check_cost(spent_usd=0.006, expected_usd=0.005)
    Traceback (most recent call last):
        ...
    tierwise_router.errors.BudgetSpentError: a call for about $0.005000 after $0.006000 would go \
beyond the request's ceiling of $0.010000
    """

    __slots__ = ("calls", "limits", "purse")

    def __init__(self, limits: Limits, purse: CallPurse | None = None) -> None:
        self.limits = limits
        self.purse = purse
        self.calls = 0

    def take_call(self) -> None:
        """Count one call to an endpoint before it is made; raises BudgetSpentError."""
        if self.calls >= self.limits.max_calls:
            raise BudgetSpentError(
                f"the request has made the {self.limits.max_calls} calls that it may make"
            )
        self.calls += 1

    def check_cost(self, *, spent_usd: float, expected_usd: float) -> None:
        """Check that a call's expected price still fits; raises BudgetSpentError."""
        ceiling = self.limits.max_cost_usd
        if ceiling is not None and spent_usd + expected_usd > ceiling:
            raise BudgetSpentError(
                f"a call for about ${expected_usd:.6f} after ${spent_usd:.6f} would go beyond the "
                f"request's ceiling of ${ceiling:.6f}"
            )
