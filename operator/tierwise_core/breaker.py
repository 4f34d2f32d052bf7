"""A circuit breaker: what keeps failing is left alone for a while, then tried with care.

The clock is passed in. Each time the state changes a new era begins; a request belongs to the era
it began in, and what becomes of it counts only as long as that lasts. So an answer that comes late
neither closes a breaker nor opens it.
"""

from __future__ import annotations

from enum import StrEnum

from tierwise_core.policy_resilience import BreakerRules
from tierwise_core.sliding_window import SlidingWindow
from tierwise_core.suspicion import Suspicion

__all__ = ["Breaker", "BreakerState"]


class BreakerState(StrEnum):
    """What a breaker lets through: everything, nothing, or a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Guards one endpoint, or all of a Specialist.

    Ask :meth:`admits`, take a ticket by :meth:`begin`, and hand it back by exactly one of
    :meth:`succeed`, :meth:`fail` and :meth:`abandon`. Half of four requests fail:

    >>> rules = BreakerRules(failure_share=0.5, minimum_requests=4, open_s=5, probes=1)
    >>> breaker = Breaker()
    >>> for failed in (False, True, False, True):
    ...     ticket = breaker.begin()
    ...     _ = (breaker.fail if failed else breaker.succeed)(ticket, 1.0, rules)
    >>> str(breaker.state), breaker.admits(5.9), breaker.admits(6.0)
    ('open', False, True)
    >>> breaker.succeed(breaker.begin(), 6.1, rules), str(breaker.state)
    (True, 'closed')

    A failure that its request may have brought about comes with its source. One source alone opens
    nothing, however often it fails:

    >>> sources = ("mallory", "mallory", "mallory", "mallory", "alice")
    >>> [breaker.fail(breaker.begin(), 7.0, rules, source) for source in sources]
    [False, False, False, False, True]
    """

    __slots__ = (
        "_probe_failed", "_probes_out", "_probes_passed", "_seen", "_suspicion", "era",
        "open_until", "state", "trips",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self.era = 0
        self.open_until = 0.0
        self.trips = 0
        self._probes_out = 0
        self._probes_passed = 0
        self._seen: SlidingWindow | None = None
        self._suspicion: Suspicion | None = None
        self._probe_failed = ""

    def admits(self, now: float) -> bool:
        """Tell whether a request may begin now; when the time out is over, one may."""
        if self.state is BreakerState.CLOSED:
            return True
        if self.state is BreakerState.OPEN:
            if now < self.open_until:
                return False
            self._enter(BreakerState.HALF_OPEN)
        return self._probes_out == 0

    def begin(self) -> int:
        """Begin a request; gives its ticket. Unless the breaker is closed, it is a probe."""
        if self.state is not BreakerState.CLOSED:
            self._probes_out += 1
        return self.era

    def succeed(self, ticket: int, now: float, rules: BreakerRules) -> bool:
        """Learn that a request went well; tells whether that closed the breaker."""
        if ticket != self.era:
            return False
        if self.state is BreakerState.CLOSED:
            self._count(now, rules, failed=False)
            return False
        self._probes_out -= 1
        self._probes_passed += 1
        if self._probes_passed < rules.probes:
            return False
        self._enter(BreakerState.CLOSED)
        self.trips = 0
        return True

    def fail(self, ticket: int, now: float, rules: BreakerRules, source: str = "") -> bool:
        """Learn that a request failed; tells whether that opened the breaker.

        ``source`` names who may have brought it about, empty where only the other end can have.
        """
        if ticket != self.era:
            return False
        if self.state is BreakerState.CLOSED:
            self._count(now, rules, failed=True)
            if source:
                self._suspicion = self._suspicion or Suspicion()
                self._suspicion.note(source, now)
            if not self._trips(now, rules):
                return False
        elif source and self._probe_failed in {"", source}:
            # One caller's probes prove nothing: the next one's must fail as well.
            self._probe_failed = source
            self.abandon(ticket)
            return False
        self.trip(now, rules)
        return True

    def abandon(self, ticket: int) -> None:
        """Learn that nothing can be said of a request: its client left, or it was never sent."""
        if ticket == self.era and self.state is not BreakerState.CLOSED:
            self._probes_out -= 1

    def trip(self, now: float, rules: BreakerRules, least_s: float = 0.0) -> None:
        """Open it at once, for twice as long as the time before, and ``least_s`` at least."""
        self.trips += 1
        open_s = min(rules.open_s * 2 ** min(self.trips - 1, 20), rules.longest_open_s)
        self.open_until = now + max(open_s, least_s)
        self._enter(BreakerState.OPEN)

    def retry_after_s(self, now: float) -> float:
        """Tell how long it stays open; 0 when it does not."""
        return max(0.0, self.open_until - now) if self.state is BreakerState.OPEN else 0.0

    def _enter(self, state: BreakerState) -> None:
        self.state = state
        self.era += 1
        self._probes_out = self._probes_passed = 0
        self._seen = self._suspicion = None
        self._probe_failed = ""

    def _count(self, now: float, rules: BreakerRules, *, failed: bool) -> None:
        seen = self._seen
        if seen is None or seen.window_s != rules.window_s:
            seen = self._seen = SlidingWindow(rules.window_s)
        seen.add(now, failed=failed)

    def _trips(self, now: float, rules: BreakerRules) -> bool:
        total, failed = self._seen.at(now) if self._seen is not None else (0, 0)
        if total < rules.minimum_requests or failed < rules.failure_share * total:
            return False
        if self._suspicion is None:
            return True
        total, failed = self._suspicion.without_worst(
            total, failed, now=now, window_s=rules.window_s
        )
        return failed > 0 and failed >= rules.failure_share * total
