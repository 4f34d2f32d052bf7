"""Requests are spread by load, sessions stick, and dead endpoints sit out."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from dispatchers import route
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.errors import NoEndpointError
from tierwise_core.policy_decision import ScorerWeight
from tierwise_core.policy_resilience import BreakerRules
from tierwise_router.balance import Balancer, EndpointLoad
from tierwise_router.pod_scoring import REMEMBERED, PodScoring

RULES = BreakerRules()
URLS = tuple(f"http://10.0.0.{number}:8000" for number in range(1, 5))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def balancer(clock: Clock | None = None) -> Balancer:
    return Balancer(clock or Clock(), random.Random(7))  # noqa: S311 - repeatable picks


def test_the_busier_of_two_is_never_picked() -> None:
    balance = balancer()
    sorter = route("sorter", *URLS[:2])
    busy = balance.pick(sorter)
    busy.in_flight = 1

    assert all(balance.pick(sorter) is not busy for _ in range(50))


@given(seed=st.integers(0, 1000))
def test_requests_that_stay_open_are_spread_evenly(seed: int) -> None:
    balance = Balancer(Clock(), random.Random(seed))  # noqa: S311 - repeatable picks
    sorter = route("sorter", *URLS)
    loads = Counter[str]()

    for _ in range(100):
        load = balance.pick(sorter)
        load.in_flight += 1
        loads[load.target.url] += 1

    # Two choices keep the gap between the busiest and the idlest at log log n, not at sqrt n.
    assert max(loads.values()) - min(loads[url] for url in URLS) <= 6


def test_an_endpoint_whose_breaker_is_open_sits_out_longer_each_time() -> None:
    clock = Clock()
    balance = balancer(clock)
    sorter = route("sorter", *URLS[:2])
    bad = balance.pick(sorter)

    for wait in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        bad.breaker.trip(clock.now, RULES)
        clock.now += wait - 0.01
        assert all(balance.pick(sorter) is not bad for _ in range(20))
        clock.now += 0.02
        assert any(balance.pick(sorter) is bad for _ in range(50))


def test_one_at_a_time_tries_an_endpoint_that_was_out() -> None:
    clock = Clock()
    balance = balancer(clock)
    sorter = route("sorter", *URLS[:2])
    bad = balance.pick(sorter)
    bad.breaker.trip(clock.now, RULES)
    clock.now += 1.1
    next(load for load in iter(lambda: balance.pick(sorter), None) if load is bad)

    probe = bad.breaker.begin()

    assert all(balance.pick(sorter) is not bad for _ in range(50))
    bad.breaker.succeed(probe, clock.now, RULES)
    assert any(balance.pick(sorter) is bad for _ in range(50))


def test_when_all_sit_out_all_are_tried() -> None:
    balance = balancer()
    sorter = route("sorter", *URLS[:2])
    one = balance.pick(sorter)
    other = balance.pick(sorter, tried=(one,))
    one.breaker.trip(0.0, RULES)
    other.breaker.trip(0.0, RULES)

    assert {balance.pick(sorter) for _ in range(50)} == {one, other}


def test_an_endpoint_with_as_many_requests_as_it_may_have_gets_no_more() -> None:
    balance = balancer()
    balance.most_in_flight = 2
    sorter = route("sorter", *URLS)
    full = balance.siblings(sorter).loads[:3]
    for load in full:
        load.in_flight = 2

    assert {balance.pick(sorter) for _ in range(20)} == {balance.siblings(sorter).loads[3]}
    assert balance.pick(sorter, session=b"s") is balance.siblings(sorter).loads[3]


def test_an_engine_whose_cache_is_full_is_passed_over() -> None:
    balance = balancer()
    sorter = route("sorter", *URLS[:2])
    one, other = balance.siblings(sorter).loads
    one.engine.learn(
        [(b"endpoint-load-metrics", b"TEXT named_metrics.kv_cache_usage_perc=0.99")], 0
    )
    other.in_flight = 3

    assert all(balance.pick(sorter) is other for _ in range(20))


def test_equal_beginnings_meet_on_one_pod_until_it_has_more_than_its_share() -> None:
    balance = balancer()
    sorter = route("sorter", *URLS)
    home = balance.pick(sorter, prefix=b"p")

    assert all(balance.pick(sorter, prefix=b"p") is home for _ in range(20))
    picked = Counter[EndpointLoad]()
    for _ in range(400):
        load = balance.pick(sorter, prefix=b"p")
        load.in_flight += 1
        picked[load] += 1
    # 1.25 times the mean of 100, and the slack of 4.
    assert max(picked.values()) <= 1.25 * 100 + 4 + 1
    assert picked[home] == max(picked.values())


def test_what_was_tried_is_not_tried_again() -> None:
    balance = balancer()
    sorter = route("sorter", *URLS[:3])
    tried: tuple[EndpointLoad, ...] = ()
    for _ in range(3):
        tried = (*tried, balance.pick(sorter, tried=tried))

    assert len(set(tried)) == 3
    with pytest.raises(NoEndpointError, match="none of its 3 endpoints"):
        balance.pick(sorter, tried=tried)


def test_sessions_spread_and_only_those_of_a_lost_pod_move() -> None:
    sessions = [f"s-{number}".encode() for number in range(400)]
    all_four, three = route("sorter", *URLS), route("sorter", *URLS[:3])
    balance = balancer()

    before = {session: balance.pick(all_four, session=session) for session in sessions}
    after = {session: balance.pick(three, session=session) for session in sessions}

    homes = Counter(load.target.url for load in before.values())
    assert min(homes.values()) > 60  # 100 each, give or take
    for session, load in before.items():
        if load.target.url != URLS[3]:
            assert after[session] is load


def test_a_session_s_home_is_the_same_in_every_dispatcher() -> None:
    sorter = route("sorter", *URLS)

    one, other = balancer(), Balancer(Clock(), random.Random(99))  # noqa: S311 - others

    for number in range(20):
        session = f"s-{number}".encode()
        url = one.pick(sorter, session=session).target.url
        assert other.pick(sorter, session=session).target.url == url


def test_a_session_leaves_a_home_that_is_far_busier() -> None:
    balance = balancer()
    sorter = route("sorter", *URLS[:2])
    home = balance.pick(sorter, session=b"s-1")
    home.in_flight = 50

    assert balance.pick(sorter, session=b"s-1") is not home


def test_endpoints_that_left_are_forgotten() -> None:
    balance = balancer()
    for _ in range(20):
        balance.pick(route("sorter", *URLS))

    gone = balance.keep_only(URLS[:1])

    assert set(gone) == set(URLS[1:])


def scored(**weights: float) -> Balancer:
    balance = balancer()
    named = [ScorerWeight(name.replace("_", "-"), weight) for name, weight in weights.items()]
    balance.scoring = PodScoring.of(named)
    return balance


def test_the_policy_s_scorers_pick_the_pod_that_has_read_the_prompt() -> None:
    balance = scored(prefix_cache=3, load=1)
    sorter = route("sorter", *URLS)
    first = balance.pick(sorter, prefix=b"p")
    first.in_flight = 4

    assert balance.pick(sorter, prefix=b"p") is first
    assert balance.pick(sorter, prefix=b"other") is not first


@pytest.mark.parametrize(("weight", "stays"), [(3.0, True), (0.2, False)])
def test_how_much_a_cache_is_worth_beside_load_is_the_policy_s_to_say(
    weight: float, *, stays: bool
) -> None:
    balance = scored(prefix_cache=weight, load=1)
    sorter = route("sorter", *URLS)
    home = balance.pick(sorter, prefix=b"p")
    home.in_flight = 8  # half of the load's score

    assert (balance.pick(sorter, prefix=b"p") is home) is stays


def test_a_session_s_home_and_a_full_cache_count_by_their_weights() -> None:
    balance = scored(session_affinity=2, prefix_cache=1, load=1)
    sorter = route("sorter", *URLS)
    home = balance.pick(sorter, session=b"s")

    assert all(balance.pick(sorter, session=b"s") is home for _ in range(5))


def test_an_endpoint_that_sits_out_is_not_picked_for_its_cache() -> None:
    balance = scored(prefix_cache=1)
    sorter = route("sorter", *URLS[:2])
    home = balance.pick(sorter, prefix=b"p")
    home.breaker.trip(0.0, RULES)

    assert balance.pick(sorter, prefix=b"p") is not home


def test_beginnings_that_are_remembered_are_bounded() -> None:
    balance = scored(prefix_cache=1)
    sorter = route("sorter", *URLS[:2])

    for number in range(3 * REMEMBERED):
        balance.pick(sorter, prefix=b"%d" % number)

    assert all(len(load.prefixes) <= REMEMBERED for load in balance.siblings(sorter).loads)


def test_without_a_weight_for_caches_the_balancer_s_own_rule_holds() -> None:
    assert scored(cost=1, load=2).scoring is None
    assert scored(prefix_cache=0).scoring is None
