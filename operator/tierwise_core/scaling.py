"""How many replicas a load needs: up at one look, down after a calm while, never below a loader.

The load is a level: requests in flight (and tokens per second, where a target for them is given).
Replicas that load are part of the number that is compared with it, so the same load never asks
for them twice. The number falls only when the whole stabilisation window needed fewer. Hence a
rise and the next fall are at least a window apart, and in a time ``t`` the direction changes at
most ``2 * t / window + 2`` times, whatever the load does.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tierwise_core.load_history import STALE_SECONDS, History, Look, Stretch
from tierwise_core.scaling_policy import ScalingPolicy

TOLERANCE = 0.1
"""A replica may have a tenth more than its target before another one comes, and the replicas that
stay must have a tenth less before one goes: between the two nothing happens."""

SURGE = 2
"""While replicas load and it is not known how fast requests come and go, only a load for twice of
what there will be then adds more: the queue that builds up meanwhile is what they come for."""

DRAIN_SECONDS = 60.0
LEAST_FINISHED = 10
"""A queue is to be worked off in a minute. How fast is learnt from the last minute, if ten
requests or more were finished in it."""


@dataclass(frozen=True, slots=True)
class Current:
    """What was asked of the cluster, and how much of it loads or is ready."""

    replicas: int
    ready: int = 0
    loading: int = 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many replicas there should be, and why, in numbers."""

    desired: int
    reason: str


def desired(history: History, current: Current, policy: ScalingPolicy, now: float) -> Scaling:
    """Return how many replicas there should be at ``now``, on the clock of the looks.

    Up at one look; down to what the whole window needed; to zero after ``sleep_after_seconds``
    without a request. Nothing goes while a pod loads: a Deployment that is made smaller deletes
    the pods first that are not ready. Nothing goes on a missing or old observation either.

    >>> policy = ScalingPolicy(1, 4, target_in_flight=5.0)
    >>> busy = History().plus(Look(0.0, in_flight=12), policy)
    >>> desired(busy, Current(1, ready=1), policy, 0.0)
    Scaling(desired=3, reason='12 requests in flight / 5 for each replica')
    >>> desired(History(), Current(3, ready=3), policy, 0.0).desired
    3
    """
    held = policy.bounded(current.replicas)
    if held != current.replicas:
        return Scaling(held, f"replicas.min {policy.min_replicas}, max {policy.max_replicas}")
    look = history.latest
    if look is None or now - look.at_seconds > STALE_SECONDS:
        return Scaling(held, f"{held} as before: nothing is known of the load now")
    return _up(history, look, current, policy) or _down(history, current, policy, now)


def _up(history: History, look: Look, current: Current, policy: ScalingPolicy) -> Scaling | None:
    if not _need(look.load, look.tokens_per_second, policy, 1 + TOLERANCE) > current.replicas:
        return None
    need = policy.bounded(_need(look.load, look.tokens_per_second, policy, 1.0))
    enough = enough_for_queue(history.recent, current.ready)
    if enough is None and current.loading and need < SURGE * current.replicas:
        return None
    if enough is not None and enough < need:
        because = f"{look.waiting + look.held} requests wait, and {enough} replicas work them off"
        return Scaling(enough, because) if enough > current.replicas else None
    because = _because(look.load, look.tokens_per_second, policy)
    return Scaling(need, because) if need > current.replicas else None


def enough_for_queue(recent: Sequence[Look], ready: int) -> int | None:
    """Return how many replicas keep up with what arrives and work the queue off in a minute.

    A queue grows as long as there are too few replicas, however many are on their way; its length
    says how long that has been, and not how many are needed. So where it is known how fast
    requests come and go, ``(arriving + queue / 60 s) / finished by one replica`` is enough. None
    where there is no queue, or that is not known.

    One replica finishes 2 per second and 5 arrive; after 20 s 60 wait:

    >>> looks = [Look(2.0 * n, in_flight=8 + 6 * n, waiting=6 * n, finished=4) for n in range(11)]
    >>> enough_for_queue(looks, ready=1)
    3
    """
    first, last = recent[0], recent[-1]
    queue, seconds = last.waiting + last.held, last.at_seconds - first.at_seconds
    finished = sum(look.finished for look in recent[1:])
    if not ready or not queue or finished < LEAST_FINISHED:
        return None
    arrived = max(0.0, finished + last.load - first.load)
    by_one_per_second = finished / seconds / ready
    return math.ceil((arrived / seconds + queue / DRAIN_SECONDS) / by_one_per_second - 1e-9)


def _down(history: History, current: Current, policy: ScalingPolicy, now: float) -> Scaling:
    if current.loading:
        load = history.latest.load if history.latest else 0
        on_the_way = f"{current.loading} of {current.replicas} replicas load"
        return Scaling(current.replicas, f"{_requests(load)}, and {on_the_way}")
    least = max(policy.min_replicas, min(1, current.replicas))
    if current.replicas > 0 and policy.sleeps:
        calm = history.since(now - policy.sleep_after_seconds)
        if calm and all(stretch.idle for stretch in calm):
            return Scaling(0, f"no request for {policy.sleep_after_seconds:g} s")
    window = history.since(now - policy.scale_down_after_seconds)
    if current.replicas > least and window and all(stretch.certain for stretch in window):
        peak = max(window, key=lambda stretch: _need_of(stretch, policy))
        need = max(_need_of(peak, policy), least)
        if need < current.replicas:
            because = _because(peak.peak_load, peak.peak_tokens_per_second, policy)
            return Scaling(need, f"{because} at most in {policy.scale_down_after_seconds:g} s")
    return Scaling(current.replicas, _steady(history, current))


def _need_of(stretch: Stretch, policy: ScalingPolicy) -> int:
    tokens = stretch.peak_tokens_per_second
    return policy.bounded(_need(stretch.peak_load, tokens, policy, 1 - TOLERANCE))


def _need(load: int, tokens_per_second: float | None, policy: ScalingPolicy, slack: float) -> int:
    return max(
        (math.ceil(share / slack - 1e-9) for share in _shares(load, tokens_per_second, policy)),
        default=0,
    )


def _shares(load: int, tokens: float | None, policy: ScalingPolicy) -> Iterator[float]:
    """Yield the load in replicas, by each target there is."""
    yield load / policy.target_in_flight
    if policy.target_tokens_per_second and tokens is not None:
        yield tokens / policy.target_tokens_per_second


def _because(load: int, tokens: float | None, policy: ScalingPolicy) -> str:
    by_requests, *by_tokens = _shares(load, tokens, policy)
    if by_tokens and by_tokens[0] > by_requests:
        return f"{tokens:.0f} tokens/s / {policy.target_tokens_per_second:g} for each replica"
    return f"{_requests(load)} / {policy.target_in_flight:g} for each replica"


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'} in flight"


def _steady(history: History, current: Current) -> str:
    if not current.replicas:
        return "asleep until somebody asks"
    load = history.latest.load if history.latest else 0
    return f"{_requests(load)} for {current.replicas}"
