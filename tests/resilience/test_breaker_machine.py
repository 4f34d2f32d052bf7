"""A breaker opens on failures, lets one probe at a time through, and closes on its success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tierwise_core.breaker import Breaker, BreakerState
from tierwise_core.policy_resilience import BreakerRules
from tierwise_core.sliding_window import SlidingWindow

RULES = BreakerRules(
    failure_share=0.5, minimum_requests=4, window_s=10.0, open_s=1.0, longest_open_s=8.0, probes=2
)


def tripped(breaker: Breaker, now: float, rules: BreakerRules = RULES) -> Breaker:
    for _ in range(rules.minimum_requests):
        breaker.fail(breaker.begin(), now, rules)
    return breaker


def test_half_of_enough_requests_opens_it() -> None:
    breaker = Breaker()

    changes = [
        (breaker.fail if failed else breaker.succeed)(breaker.begin(), 0.0, RULES)
        for failed in (True, False, True, False)
    ]

    assert changes == [False, False, False, False]  # the share was reached by a success
    assert breaker.fail(breaker.begin(), 0.0, RULES)
    assert breaker.state is BreakerState.OPEN


def test_too_few_requests_open_nothing() -> None:
    breaker = Breaker()

    assert not any(breaker.fail(breaker.begin(), 0.0, RULES) for _ in range(3))
    assert breaker.admits(0.0)


def test_failures_that_are_long_ago_count_no_more() -> None:
    breaker = Breaker()
    for _ in range(3):
        breaker.fail(breaker.begin(), 0.0, RULES)

    assert not breaker.fail(breaker.begin(), 11.0, RULES)


def test_it_stays_open_twice_as_long_each_time_up_to_a_limit() -> None:
    breaker, now, waits = tripped(Breaker(), 0.0), 0.0, []

    for _ in range(5):
        waits.append(breaker.open_until - now)
        now = breaker.open_until
        assert not breaker.admits(now - 0.001)
        assert breaker.admits(now)
        breaker.fail(breaker.begin(), now, RULES)

    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_half_open_lets_one_at_a_time_through_until_enough_succeeded() -> None:
    breaker = tripped(Breaker(), 0.0)
    assert breaker.admits(1.0)
    first = breaker.begin()
    assert not breaker.admits(1.0)

    assert not breaker.succeed(first, 1.1, RULES)
    assert breaker.admits(1.1)
    assert breaker.succeed(breaker.begin(), 1.2, RULES)

    assert breaker.state is BreakerState.CLOSED
    # What it had counted before is forgotten: one failure does not open it again.
    assert not breaker.fail(breaker.begin(), 1.3, RULES)


def test_a_probe_whose_client_left_makes_room_for_another() -> None:
    breaker = tripped(Breaker(), 0.0)
    breaker.admits(1.0)
    breaker.abandon(breaker.begin())

    assert breaker.admits(1.0)


def test_an_answer_from_before_neither_closes_nor_opens_it() -> None:
    breaker = Breaker()
    old = breaker.begin()
    tripped(breaker, 0.0)
    breaker.admits(1.0)

    assert not breaker.succeed(old, 1.0, RULES)
    assert not breaker.fail(old, 1.0, RULES)
    assert breaker.state is BreakerState.HALF_OPEN


@given(st.lists(st.sampled_from(["bad", "good", "later"]), max_size=60))
def test_one_source_alone_never_opens_it_whatever_others_do_well(turns: list[str]) -> None:
    breaker, now = Breaker(), 0.0
    for turn in turns:
        if turn == "later":
            now += 3.0
        elif turn == "good":
            breaker.succeed(breaker.begin(), now, RULES)
        else:
            assert not breaker.fail(breaker.begin(), now, RULES, "mallory")

    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_one_source_broke_is_made_again_by_another() -> None:
    breaker = tripped(Breaker(), 0.0)
    assert breaker.admits(1.0)

    assert not breaker.fail(breaker.begin(), 1.0, RULES, "mallory")
    assert not breaker.fail(breaker.begin(), 1.0, RULES, "mallory")
    assert breaker.admits(1.0)
    assert breaker.fail(breaker.begin(), 1.0, RULES, "alice")


class BreakerMachine(RuleBasedStateMachine):
    """Any order of requests and moments: never stuck, never more than one probe."""

    tickets: Bundle[int] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0.0
        self.probes: set[int] = set()
        self.count = 0

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=tickets)
    def a_request_begins(self) -> tuple[int, int]:
        self.count += 1
        if not self.breaker.admits(self.now):
            return self.count, -1
        before = self.breaker.state
        ticket = self.breaker.begin()
        if before is BreakerState.HALF_OPEN:
            self.probes = {one for one in self.probes if one[1] == ticket} | {(self.count, ticket)}
            assert len(self.probes) == 1
        return self.count, ticket

    @rule(request=consumes(tickets), outcome=st.sampled_from(["good", "bad", "broken", "left"]))
    def a_request_ends(self, request: tuple[int, int], outcome: str) -> None:
        _, ticket = request
        if ticket < 0:
            return
        self.probes.discard(request)
        if outcome == "good":
            self.breaker.succeed(ticket, self.now, RULES)
        elif outcome in {"bad", "broken"}:
            source = "mallory" if outcome == "broken" else ""
            self.breaker.fail(ticket, self.now, RULES, source)
        else:
            self.breaker.abandon(ticket)

    @invariant()
    def it_is_never_open_for_longer_than_allowed(self) -> None:
        assert self.breaker.retry_after_s(self.now) <= RULES.longest_open_s + 1e-6

    @invariant()
    def it_can_always_close_again(self) -> None:
        if self.breaker.state is BreakerState.HALF_OPEN:
            probing = any(ticket == self.breaker.era for _, ticket in self.probes)
            assert probing or self.breaker.admits(self.now)


TestBreakerMachine = BreakerMachine.TestCase


@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60),
    st.floats(0.5, 20),
)
def test_a_window_counts_what_is_young_and_nothing_that_is_old(
    steps: list[tuple[float, bool]], window_s: float
) -> None:
    window, now, seen = SlidingWindow(window_s), 0.0, []
    for seconds, failed in steps:
        now += seconds
        window.add(now, failed=failed)
        seen.append((now, failed))

        total, bad = window.at(now)
        young = [one for one in seen if now - one[0] < 0.9 * window_s]
        not_old = [one for one in seen if now - one[0] <= window_s * 1.0001]
        assert len(young) <= total <= len(not_old)
        assert sum(failed for _, failed in young) <= bad <= sum(failed for _, failed in not_old)
