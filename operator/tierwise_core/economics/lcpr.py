"""LCPR: what an accepted output costs, with all that was spent on the others, from traces."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tierwise_core.economics.reading import Evidence, Rate, Share, Usd
from tierwise_core.errors import EconomicsError

__all__ = ["Traces", "lcpr"]

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Traces:
    """What traces of a workload on a route say of one request, on average.

    Prices are for a million tokens; ``usd_per_call`` stands in for them where calls are priced.
    Of requests, ``retry_rate`` is sent again, ``repair_rate`` gets a second, repairing call, which
    ``repair_success`` saves, and ``escalation_rate`` goes to a person or a larger model at
    ``escalation_usd``. ``idle_usd`` and ``ops_usd`` are shares of what is paid for anyway.
    """

    quality_pass_rate: Share
    input_tokens: Rate = 0.0
    output_tokens: Rate = 0.0
    cache_hit_rate: Share = 0.0
    usd_per_million_input: Usd = 0.0
    usd_per_million_cached: Usd | None = None
    usd_per_million_output: Usd = 0.0
    usd_per_call: Usd = 0.0
    retry_rate: Rate = 0.0
    repair_rate: Share = 0.0
    repair_success: Share = 0.0
    gate_usd: Usd = 0.0
    escalation_rate: Share = 0.0
    escalation_usd: Usd = 0.0
    idle_usd: Usd = 0.0
    ops_usd: Usd = 0.0
    evidence: Evidence = "estimated"

    def __post_init__(self) -> None:
        """Hold the shares of accepted answers to one whole."""
        if self.accepted_share > 1.0 + 1e-9:
            raise EconomicsError(
                f"qualityPassRate is {self.quality_pass_rate:g} and repairs add "
                f"{self.repair_rate * self.repair_success:g}; give rates that come to at most 1"
            )

    @property
    def accepted_share(self) -> float:
        """The share of requests that end with an accepted output."""
        return self.quality_pass_rate + self.repair_rate * self.repair_success

    @property
    def call_usd(self) -> float:
        """What one call costs."""
        cached = self.usd_per_million_cached
        cached = self.usd_per_million_input if cached is None else cached
        share = self.cache_hit_rate
        input_usd = share * cached + (1 - share) * self.usd_per_million_input
        tokens_usd = (
            self.input_tokens * input_usd + self.output_tokens * self.usd_per_million_output
        )
        return self.usd_per_call + tokens_usd / MILLION


def lcpr(traces: Traces) -> float:
    """Return the USD for each accepted output; infinite where nothing is accepted.

    ``((call + gate) x (1 + retries + repairs) + escalations + idle + ops) / accepted``. A cent a
    call, each tenth repaired with success in half of the cases, a fifth of a cent of judging:

    >>> round(lcpr(Traces(0.85, usd_per_call=0.01, gate_usd=0.002, repair_rate=0.1,
    ...                   repair_success=0.5)), 5)
    0.01467

    A model at 40 % of the price that fails three times as often, each failure a minute of a person:

    >>> dear = Traces(0.95, usd_per_call=0.010, escalation_rate=0.05, escalation_usd=0.5)
    >>> cheap = Traces(0.85, usd_per_call=0.004, escalation_rate=0.15, escalation_usd=0.5)
    >>> round(lcpr(dear), 4), round(lcpr(cheap), 4)
    (0.0368, 0.0929)
    """
    calls = 1 + traces.retry_rate + traces.repair_rate
    spent = calls * (traces.call_usd + traces.gate_usd)
    spent += traces.escalation_rate * traces.escalation_usd + traces.idle_usd + traces.ops_usd
    return spent / traces.accepted_share if traces.accepted_share > 0 else math.inf
