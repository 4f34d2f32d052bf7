"""What to buy, run, move or tune: the arithmetic behind `tierwise economics`, one module each.

Each takes one frozen case, as a YAML file has it, and returns one frozen report: figures, a
verdict, and the reasons in words. LCPR is the loaded cost per accepted output.
"""

from tierwise_core.economics.break_even import (
    SECONDS_PER_HOUR,
    Offer,
    Split,
    cheapest_split,
    cost_per_accepted_usd,
    payback_months,
    required_utilization,
)

__all__ = [
    "SECONDS_PER_HOUR",
    "Offer",
    "Split",
    "cheapest_split",
    "cost_per_accepted_usd",
    "payback_months",
    "required_utilization",
]
