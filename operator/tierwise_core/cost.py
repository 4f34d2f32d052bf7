"""What a token, a call and a fan-out cost, in USD."""

from __future__ import annotations

from typing import Final

from tierwise_core.route_parts import Price
from tierwise_core.swift import dataclass

__all__ = [
    "CallCost",
    "Usage",
    "break_even_fan_out",
    "call_cost",
    "call_cost_usd",
    "expected_call_usd",
    "usd_per_1k_tokens",
]

SECONDS_PER_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one call; ``cached_input_tokens`` is the part of the input read from cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class CallCost:
    """The price of one call. ``estimated`` says that it is an upper bound, not a bill."""

    usd: float
    estimated: bool


REFERENCE_USAGE: Final = Usage(input_tokens=500, output_tokens=250)
REFERENCE_SECONDS: Final = 1.0


def usd_per_1k_tokens(gpus: int, usd_per_gpu_hour: float, tokens_per_second: float) -> float:
    """Price a thousand generated tokens of GPUs that are rented by the hour.

    ``gpus * usd_per_gpu_hour / (tokens_per_second * 3600) * 1000``. Two H100 at $3 an hour that
    make 2000 tokens a second, against one RTX 4090 at $0.40 that makes 800:

    >>> round(usd_per_1k_tokens(2, 3.00, 2000), 6)
    0.000833
    >>> round(usd_per_1k_tokens(1, 0.40, 800), 6)
    0.000139
    >>> round(usd_per_1k_tokens(2, 3.00, 2000) / usd_per_1k_tokens(1, 0.40, 800), 3)
    6.0

    Raises ValueError when the throughput is not above zero.
    """
    if tokens_per_second <= 0:
        raise ValueError(f"tokens_per_second is {tokens_per_second}; it must be above 0")
    return gpus * usd_per_gpu_hour / (tokens_per_second * SECONDS_PER_HOUR) * 1000


def break_even_fan_out(large_usd: float, small_usd: float) -> int:
    """Say how many small Specialists can be asked at once and still cost less than a large one.

    At the ratio 6.0 of :func:`usd_per_1k_tokens` six would cost the same, so five are cheaper:

    >>> break_even_fan_out(usd_per_1k_tokens(2, 3.00, 2000), usd_per_1k_tokens(1, 0.40, 800))
    5
    >>> break_even_fan_out(1.0, 0.4)
    2

    Raises ValueError when the small price is not above zero: nothing bounds the fan-out then.
    """
    if small_usd <= 0:
        raise ValueError(f"small_usd is {small_usd}; it must be above 0")
    ratio = large_usd / small_usd
    # A ratio that is whole up to rounding is an equal price, which is not cheaper.
    whole = round(ratio)
    return max(0, whole - 1 if abs(ratio - whole) < 1e-9 * max(1.0, ratio) else int(ratio))


def call_cost(price: Price, duration_s: float, usage: Usage | None = None) -> CallCost:
    """Price one call and say whether the price is exact.

    A provider bills tokens, so that the price is exact once the usage is known. A replica of our
    own bills time whether it works or idles; a call is charged the time it took as if it had had
    the replica to itself, an upper bound that is marked ``estimated``: calls share a batch. A call
    without usage on a provider is priced 0 and marked as well.

    Half a second on a 4090 at $0.40 an hour, then 1000 input tokens (400 of them cached) and
    200 output tokens at $2.50, $1.25 and $10 a million:

    >>> call_cost(Price(usd_per_replica_hour=0.40), 0.5)
    CallCost(usd=5.555555555555556e-05, estimated=True)
    >>> provider = Price(0.0, 2.5e-6, 10e-6, 1.25e-6)
    >>> cost = call_cost(provider, 0.5, Usage(1000, 200, 400))
    >>> round(cost.usd, 7), cost.estimated
    (0.004, False)
    """
    estimated = usage is None or price.usd_per_replica_hour > 0
    return CallCost(call_cost_usd(price, duration_s, usage), estimated)


def call_cost_usd(price: Price, duration_s: float, usage: Usage | None = None) -> float:
    """Price one call in USD: :func:`call_cost` without the mark.

    >>> call_cost_usd(Price(usd_per_replica_hour=3.60), 2.0)
    0.002
    """
    usd = price.usd_per_replica_hour * max(duration_s, 0.0) / SECONDS_PER_HOUR
    if usage is not None:
        usd += _tokens_usd(price, usage)
    return usd


def _tokens_usd(price: Price, usage: Usage) -> float:
    cached = min(max(usage.cached_input_tokens, 0), usage.input_tokens)
    fresh = usage.input_tokens - cached
    return (
        fresh * price.input_usd_per_token
        + cached * price.cached_input_usd_per_token
        + usage.output_tokens * price.output_usd_per_token
    )


def expected_call_usd(price: Price) -> float:
    """Price a reference call, so that GPUs by the hour and providers by the token can be ranked.

    500 input and 250 output tokens, and one second of a replica. A 4090 at $0.40 an hour comes
    before a small provider model at $0.15 and $0.60 a million, and that before an H100 at $3:

    >>> round(expected_call_usd(Price(usd_per_replica_hour=0.40)), 6)
    0.000111
    >>> round(expected_call_usd(Price(0.0, 0.15e-6, 0.60e-6)), 6)
    0.000225
    >>> round(expected_call_usd(Price(usd_per_replica_hour=3.00)), 6)
    0.000833
    """
    return call_cost_usd(price, REFERENCE_SECONDS, REFERENCE_USAGE)
