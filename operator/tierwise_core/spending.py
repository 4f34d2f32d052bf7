"""What one request may spend, and what a call is expected to cost."""

from __future__ import annotations

from typing import Final

from tierwise_core.cost import REFERENCE_SECONDS, REFERENCE_USAGE, Usage, call_cost_usd
from tierwise_core.plan_context import PlanContext
from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.route_parts import Price
from tierwise_core.swift import dataclass

__all__ = ["Limits", "call_usd", "lower"]

REFERENCE_OUTPUT: Final[int] = REFERENCE_USAGE.output_tokens


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request; None is no bound."""

    max_hops: int
    max_calls: int
    max_cost_usd: float | None

    @classmethod
    def of(cls, policy: DecisionPolicy, context: PlanContext) -> Limits:
        """Take the stricter of the policy's and the request's own.

        >>> Limits.of(DecisionPolicy(max_cost_usd=0.10), PlanContext(max_hops=9, max_cost_usd=0.02))
        Limits(max_hops=4, max_calls=8, max_cost_usd=0.02)
        """
        own = cls(policy.max_hops, policy.max_calls, policy.max_cost_usd)
        return own.lowered(context.max_hops, context.max_calls, context.max_cost_usd)

    def lowered(
        self, max_hops: int | None, max_calls: int | None, max_cost_usd: float | None
    ) -> Limits:
        """Lower them to what a request asks for itself; None asks for nothing.

        >>> Limits(max_hops=4, max_calls=8, max_cost_usd=None).lowered(9, 2, 0.02)
        Limits(max_hops=4, max_calls=2, max_cost_usd=0.02)
        """
        if max_hops is None and max_calls is None and max_cost_usd is None:
            return self
        return Limits(
            _least(self.max_hops, max_hops),
            _least(self.max_calls, max_calls),
            lower(self.max_cost_usd, max_cost_usd),
        )


def _least(mine: int, asked: int | None) -> int:
    return mine if asked is None else min(mine, asked)


def lower(mine: float | None, asked: float | None) -> float | None:
    """Give the stricter of two bounds; None is no bound.

    >>> lower(None, 0.5), lower(0.2, 0.5), lower(None, None)
    (0.5, 0.2, None)
    """
    if mine is None or asked is None:
        return asked if mine is None else mine
    return min(mine, asked)


def call_usd(price: Price, prompt_tokens: int, output_tokens: int) -> float:
    """Expect the price of a call before it is made.

    The prompt's tokens and the most that the client wants back, 500 and 250 where they are unknown,
    and one second of a replica. 2,000 tokens in and up to 1,000 out at $2.50 and $10 a million:

    >>> round(call_usd(Price(0.0, 2.5e-6, 10e-6), 2000, 1000), 4)
    0.015
    """
    usage = Usage(prompt_tokens or REFERENCE_USAGE.input_tokens, output_tokens or REFERENCE_OUTPUT)
    return call_cost_usd(price, REFERENCE_SECONDS, usage)
