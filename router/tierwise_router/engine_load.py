"""What an engine tells of its own load, beside an answer.

To a request with the header ``endpoint-load-metrics-format: TEXT`` vLLM answers with a line such as
``endpoint-load-metrics: TEXT named_metrics.kv_cache_usage_perc=0.4, ...``: an ORCA load report. A
pod is asked for it once a second at most, which costs no request of its own, and no connection.
"""

from __future__ import annotations

import re
from typing import Final

from tierwise_router.upstream.response import Headers

__all__ = ["ASK_LOAD", "EngineLoad", "without_report"]

ASK_LOAD: Final = (b"endpoint-load-metrics-format", b"TEXT")
REPORT: Final = b"endpoint-load-metrics"
FULL: Final = 0.95
ASK_EVERY_S: Final = 1.0
STALE_S: Final = 10.0
METRIC: Final = re.compile(rb"named_metrics\.([a-z_]+)=([0-9.eE+-]{1,32})")


class EngineLoad:
    """The last report of one engine.

    ``waiting`` are the requests in its queue and ``kv_usage`` the share of its KV cache in use,
    None while it is unknown. Each report counts until the next one, or for ten seconds.
    """

    __slots__ = ("_ask_at", "_told_at", "full", "kv_usage", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.kv_usage: float | None = None
        self.full = False
        self._ask_at = 0.0
        self._told_at = 0.0

    def asks(self, now: float) -> bool:
        """Tell whether the next request should ask for a report; one in a second does."""
        if now < self._ask_at:
            return False
        self._ask_at = now + ASK_EVERY_S
        if self.kv_usage is not None and now - self._told_at > STALE_S:
            self._forget()
        return True

    def learn(self, headers: Headers, now: float) -> None:
        """Take a report in, if the answer has one.

        >>> load = EngineLoad()
        >>> report = b"named_metrics.kv_cache_usage_perc=0.97, named_metrics.num_requests_waiting=3"
        >>> load.learn([(b"endpoint-load-metrics", b"TEXT " + report)], 0.0)
        >>> load.kv_usage, load.waiting, load.full
        (0.97, 3, True)
        """
        report = next((value for name, value in headers if name == REPORT), b"")
        told: dict[bytes, float] = {}
        for name, value in METRIC.findall(report):
            try:
                told[name] = float(value)
            except ValueError:
                continue
        if not told:
            return
        self._told_at = now
        self.waiting = int(min(max(told.get(b"num_requests_waiting", 0.0), 0.0), 1e6))
        self.kv_usage = min(max(told.get(b"kv_cache_usage_perc", 0.0), 0.0), 1.0)
        self.full = self.kv_usage >= FULL

    def _forget(self) -> None:
        self.waiting, self.kv_usage, self.full = 0, None, False


def without_report(headers: Headers) -> Headers:
    """Take out what only we have asked for.

    >>> without_report([(b"endpoint-load-metrics", b"TEXT"), (b"content-length", b"2")])
    [(b'content-length', b'2')]
    """
    return [pair for pair in headers if pair[0] != REPORT]
