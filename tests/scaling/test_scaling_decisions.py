"""What one decision about replicas looks at, case by case, and what holds for every load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.load_history import STALE_SECONDS, History, Look
from tierwise_core.scaling import Current, desired
from tierwise_core.scaling_policy import ScalingPolicy

POLICY = ScalingPolicy(
    min_replicas=1, max_replicas=6, target_in_flight=5.0, scale_down_after_seconds=60.0
)
SLEEPER = replace(POLICY, min_replicas=0, sleep_after_seconds=120.0)


def seen(looks: Sequence[Look], policy: ScalingPolicy = POLICY) -> History:
    history = History()
    for look in looks:
        history = history.plus(look, policy)
    return history


def steady(seconds: float, policy: ScalingPolicy = POLICY, **look: object) -> History:
    """The same look every two seconds, the last one at that moment."""
    times = [2.0 * n for n in range(round(seconds / 2) + 1)]
    return seen([Look(at, **look) for at in times], policy)  # type: ignore[arg-type]


def replicas(history: History, current: Current, policy: ScalingPolicy = POLICY) -> int:
    assert history.latest is not None
    return desired(history, current, policy, history.latest.at_seconds).desired


def test_one_look_is_enough_to_grow() -> None:
    assert replicas(seen([Look(0.0, in_flight=24)]), Current(1, ready=1)) == 5


def test_it_grows_no_further_than_allowed() -> None:
    assert replicas(seen([Look(0.0, in_flight=900)]), Current(1, ready=1)) == 6


def test_a_tenth_too_much_is_no_reason_to_grow() -> None:
    assert replicas(seen([Look(0.0, in_flight=11)]), Current(2, ready=2)) == 2
    assert replicas(seen([Look(0.0, in_flight=12)]), Current(2, ready=2)) == 3


def test_the_same_load_asks_only_once_while_replicas_load() -> None:
    history = seen([Look(0.0, in_flight=12), Look(2.0, in_flight=13)])

    assert replicas(history, Current(3, ready=1, loading=2)) == 3


def test_the_queue_that_grows_meanwhile_adds_nothing_until_it_doubles() -> None:
    loading = Current(2, ready=1, loading=1)

    assert replicas(seen([Look(0.0, in_flight=15)]), loading) == 2
    assert replicas(seen([Look(0.0, in_flight=20)]), loading) == 4


def test_it_shrinks_to_what_the_whole_window_needed() -> None:
    times = [Look(2.0 * n, in_flight=14 if n == 10 else 3) for n in range(41)]

    assert replicas(seen(times), Current(6, ready=6)) == 4  # 14 / (5 less a tenth)


def test_nothing_shrinks_before_a_whole_window_was_seen() -> None:
    assert replicas(steady(58.0), Current(3, ready=3)) == 3
    assert replicas(steady(60.0), Current(3, ready=3)) == 1


@pytest.mark.parametrize("spoiled", [{"complete": False}, {"settled": False}])
def test_nothing_shrinks_on_half_a_picture(spoiled: dict[str, bool]) -> None:
    looks = [Look(2.0 * n, **(spoiled if n == 20 else {})) for n in range(41)]  # type: ignore[arg-type]

    assert replicas(seen(looks), Current(3, ready=3)) == 3


def test_nothing_shrinks_while_a_pod_loads() -> None:
    assert replicas(steady(400.0), Current(3, ready=2, loading=1)) == 3
    assert replicas(steady(400.0, SLEEPER), Current(1, loading=1), SLEEPER) == 1


def test_a_gap_in_the_looks_begins_a_new_window() -> None:
    early = [Look(2.0 * n) for n in range(20)]
    late = [Look(100.0 + 2.0 * n) for n in range(20)]

    assert replicas(seen([*early, *late]), Current(3, ready=3)) == 3


def test_without_a_fresh_look_everything_stays() -> None:
    history = steady(400.0)

    told = desired(history, Current(3, ready=3), POLICY, 400.0 + STALE_SECONDS + 1)

    assert told.desired == 3
    assert "nothing is known of the load now" in told.reason


def test_tokens_count_where_a_target_for_them_is_given() -> None:
    policy = replace(POLICY, target_tokens_per_second=100.0)
    history = seen([Look(0.0, in_flight=1, tokens_per_second=350.0)], policy)

    told = desired(history, Current(1, ready=1), policy, 0.0)

    assert told.desired == 4
    assert told.reason == "350 tokens/s / 100 for each replica"


def test_it_falls_asleep_when_nobody_asked_for_long() -> None:
    assert replicas(steady(118.0, SLEEPER), Current(1, ready=1), SLEEPER) == 1
    assert replicas(steady(120.0, SLEEPER), Current(1, ready=1), SLEEPER) == 0


def test_requests_too_short_to_be_seen_keep_it_awake() -> None:
    """Between two looks a request came and went: only the counters tell."""
    looks = [Look(2.0 * n, active=n == 50) for n in range(61)]

    assert replicas(seen(looks, SLEEPER), Current(1, ready=1), SLEEPER) == 1


def test_a_pod_that_has_just_loaded_may_wait_for_work() -> None:
    loading = [Look(2.0 * n, settled=False) for n in range(60)]
    ready = [Look(120.0 + 2.0 * n) for n in range(20)]

    assert replicas(seen([*loading, *ready], SLEEPER), Current(1, ready=1), SLEEPER) == 1


def test_asleep_it_stays_until_somebody_waits() -> None:
    assert replicas(steady(400.0, SLEEPER), Current(0), SLEEPER) == 0
    assert replicas(seen([Look(0.0, held=1)], SLEEPER), Current(0), SLEEPER) == 1
    assert replicas(seen([Look(0.0, held=13)], SLEEPER), Current(0), SLEEPER) == 3


def test_a_changed_spec_counts_at_once() -> None:
    history = seen([Look(0.0, in_flight=2)])

    assert replicas(history, Current(9, ready=9)) == 6
    assert replicas(history, Current(0), POLICY) == 1


LOOKS = st.lists(
    st.builds(
        lambda step, load, held, active, complete: (step, load, held, active, complete),
        st.sampled_from([2.0, 2.0, 2.0, 5.0, 40.0]),
        st.one_of(st.integers(0, 8), st.integers(0, 60)),
        st.sampled_from([0, 0, 0, 3]),
        st.booleans(),
        st.sampled_from([True, True, True, True, False]),
    ),
    min_size=2,
    max_size=160,
)


@settings(max_examples=120, deadline=None)
@given(
    looks=LOOKS,
    least=st.integers(0, 2),
    load_looks=st.integers(0, 12),
    window=st.sampled_from([4.0, 20.0, 60.0]),
)
def test_whatever_the_load_the_rules_hold(
    looks: list[tuple[float, int, int, bool, bool]], least: int, load_looks: int, window: float
) -> None:
    """Bounds, no loader lost, no fall within a window of any look that needed more, no flapping."""
    policy = ScalingPolicy(least, 5, 5.0, None, window, 2 * window)
    history, current, now = History(), least, 0.0
    loaders: list[int] = []  # looks until each is ready
    changes: list[tuple[float, int]] = []
    peaks: list[tuple[float, int, bool]] = []
    for step, load, held, active, complete in looks:
        now += step
        loaders = [left - 1 for left in loaders if left > 1]
        look = Look(
            now,
            in_flight=load if current else 0,
            waiting=max(0, load - 12) if current else 0,
            held=held,
            finished=load / 3,
            active=active,
            complete=complete,
            settled=not loaders,
        )
        history = history.plus(look, policy)
        peaks.append((now, look.load, complete))
        told = desired(history, Current(current, current - len(loaders), len(loaders)), policy, now)
        assert least <= told.desired <= 5
        if told.desired < current:
            assert not loaders
            recent = [peak for peak in peaks if peak[0] >= now - window]
            assert all(was_complete for _, _, was_complete in recent)
            assert max(load for _, load, _ in recent) <= max(told.desired, 0) * 5.0
            assert now - peaks[0][0] >= window
        elif told.desired > current:
            loaders += [load_looks] * (told.desired - current) if load_looks else []
        if told.desired != current:
            changes.append((now, 1 if told.desired > current else -1))
        current = told.desired
    turns = sum(one[1] != other[1] for one, other in pairwise(changes))
    assert turns <= 2 * now / window + 2


@given(
    gaps=st.lists(st.floats(0.1, 29.0), min_size=1, max_size=400),
    keep=st.sampled_from([10.0, 60.0, 600.0]),
)
@settings(max_examples=60, deadline=None)
def test_a_history_stays_small_and_forgets_no_peak_too_early(
    gaps: list[float], keep: float
) -> None:
    policy = ScalingPolicy(1, 5, 5.0, None, keep)
    history, now, loads = History(), 0.0, []
    for n, gap in enumerate(gaps):
        now += gap
        loads.append((now, n * 7 % 31))
        history = history.plus(Look(now, in_flight=n * 7 % 31), policy)

    assert len(history.stretches) <= 2 * 256 + 2
    window = history.since(now - keep)
    if window:
        peak = max(stretch.peak_load for stretch in window)
        assert peak >= max(load for at, load in loads if at >= now - keep)
