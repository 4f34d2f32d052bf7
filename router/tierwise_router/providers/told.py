"""What a provider's answer says of its limits."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from tierwise_core.rate_limit import reset_seconds
from tierwise_router.upstream.response import Response

__all__ = ["Told", "read_told"]

TOO_MANY = 429
LEAST_S = 0.25
MOST_S = 600.0
LIMITS = b"x-ratelimit-"


@dataclass(frozen=True, slots=True)
class Told:
    """What is left, None where nothing was said; ``shut_s`` is how long to keep away, 0 for not."""

    requests_left: float | None = None
    tokens_left: float | None = None
    shut_s: float | None = None


SILENT = Told()


def read_told(response: Response, refusals: int) -> Told:
    """Read the limits in an answer's headers.

    ``refusals`` are those in a row before this one: where a refusal does not say how long to keep
    away, the time doubles from 1 s to 60 s.
    """
    if response.status != TOO_MANY and not _speaks(response):
        return SILENT
    requests, tokens = _left(response, b"requests"), _left(response, b"tokens")
    if response.status == TOO_MANY:
        return Told(requests, tokens, max(LEAST_S, min(_keep_away_s(response, refusals), MOST_S)))
    resets = [
        _reset(response, kind)
        for kind, left in ((b"requests", requests), (b"tokens", tokens))
        if left is not None and left <= 0
    ]
    known = [reset for reset in resets if reset is not None]
    return Told(requests, tokens, min(max(known), MOST_S) if known else None)


def _speaks(response: Response) -> bool:
    # Asked of every answer of a provider: a loop costs a third of a generator here.
    for name, _value in response.headers:  # noqa: SIM110
        if name.startswith(LIMITS):
            return True
    return False


def _keep_away_s(response: Response, refusals: int) -> float:
    milliseconds = reset_seconds(response.header(b"retry-after-ms").decode("latin-1"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = _retry_after_s(response.header(b"retry-after").decode("latin-1"))
    if asked is not None:
        return asked
    resets = [_reset(response, kind) for kind in (b"requests", b"tokens")]
    known = [reset for reset in resets if reset]
    return min(known) if known else min(2.0**refusals, 60.0)


def _retry_after_s(text: str) -> float | None:
    if (seconds := reset_seconds(text)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _left(response: Response, kind: bytes) -> float | None:
    text = response.header(b"x-ratelimit-remaining-" + kind)
    try:
        left = float(text)
    except ValueError:
        return None
    return left if math.isfinite(left) else None


def _reset(response: Response, kind: bytes) -> float | None:
    return reset_seconds(response.header(b"x-ratelimit-reset-" + kind).decode("latin-1"))
