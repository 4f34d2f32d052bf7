"""What stops a ramp, and what is only chance."""

from __future__ import annotations

from tierwise_core.rollout.signals import Signal, SignalWindow, Thresholds, fired

USUAL = SignalWindow(200, 10, 200, 180, cost_usd=0.18, p50_s=0.5, p99_s=1.0)
STRICT = Thresholds(quality=0.85, p99_s=2.0)


def only(green: list[SignalWindow], blue: SignalWindow = USUAL) -> set[Signal]:
    return set(fired([blue] * len(green), green, STRICT))


def changed(**fields: float) -> SignalWindow:
    values = {name: getattr(USUAL, name) for name in SignalWindow.__dataclass_fields__}
    return SignalWindow(**(values | fields))  # type: ignore[arg-type]


def test_nothing_fires_for_a_candidate_like_blue() -> None:
    assert only([USUAL] * 10) == set()


def test_nothing_fires_where_nothing_was_measured() -> None:
    assert fired([], [], STRICT) == {}
    assert only([SignalWindow()] * 3) == set()


def test_quality_fires_at_the_second_window_below_the_floor() -> None:
    low = changed(accepted=160)

    assert only([USUAL, low, USUAL, low]) == set()
    assert Signal.QUALITY in only([USUAL, low, low])


def test_escalations_fire_for_five_points_more_but_not_for_a_few_requests() -> None:
    assert only([changed(escalations=60)] * 3) == {Signal.ESCALATIONS}
    assert only([changed(requests=6, escalations=1)]) == set()


def test_cost_fires_when_an_accepted_answer_costs_more_twice_in_a_row() -> None:
    dear = changed(cost_usd=0.2)

    assert only([dear, USUAL, dear]) == set()
    assert only([USUAL, dear, dear]) == {Signal.COST}


def test_cost_says_nothing_of_windows_without_an_accepted_answer() -> None:
    none = SignalWindow(requests=5, cost_usd=1.0)

    assert Signal.COST not in only([none, none])


def test_latency_fires_when_the_objective_is_missed_in_one_of_a_hundred_windows() -> None:
    slow = changed(p50_s=1.2, p99_s=2.1)

    assert only([USUAL] * 199 + [slow]) == set()
    assert only([USUAL] * 97 + [slow] * 2) == {Signal.LATENCY}


def test_variance_fires_when_the_tail_grows_by_half() -> None:
    assert only([changed(p99_s=1.4)] * 5) == set()
    assert only([changed(p99_s=1.6)] * 5) == {Signal.VARIANCE}
