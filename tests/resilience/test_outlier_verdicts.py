"""The endpoint that is clearly worse than its siblings is found, and chance is no reason."""

from __future__ import annotations

import random

from tierwise_core.outliers import EndpointSample, room_to_eject, worst_endpoint
from tierwise_core.policy_resilience import OutlierRules

RULES = OutlierRules(minimum_requests=20, latency_factor=3.0)


def answers(rng: random.Random, seconds: float, count: int = 60) -> EndpointSample:
    sample = EndpointSample()
    for _ in range(count):
        sample.succeed(seconds * rng.lognormvariate(0, 0.5))
    return sample


def test_the_slow_one_is_found_with_its_reason() -> None:
    rng = random.Random(5)  # noqa: S311 - a repeatable story
    samples = {"a": answers(rng, 0.1), "b": answers(rng, 0.9), "c": answers(rng, 0.1)}

    name, why = worst_endpoint(samples, RULES)

    assert name == "b"
    assert why.startswith("first byte after ")
    assert why.endswith(" at its siblings")


def test_equals_are_left_alone_however_the_dice_fall() -> None:
    for seed in range(200):
        rng = random.Random(seed)  # noqa: S311 - repeatable draws
        samples = {name: answers(rng, 0.1) for name in "abc"}
        for sample in samples.values():
            for _ in range(60):
                sample.fail() if rng.random() < 0.05 else sample.succeed(0.1)

        assert worst_endpoint(samples, RULES) == ("", "")


def test_too_few_requests_prove_nothing() -> None:
    assert worst_endpoint({"a": EndpointSample(19, 19), "b": EndpointSample(500, 0)}, RULES) == (
        "",
        "",
    )


def test_one_alone_has_nobody_to_be_worse_than() -> None:
    assert worst_endpoint({"a": EndpointSample(500, 400)}, RULES) == ("", "")


def test_at_most_the_share_is_out() -> None:
    half = OutlierRules(max_ejected_share=0.5)

    assert [room_to_eject(count, 0, half) for count in (1, 2, 3)] == [False, True, True]
    assert not room_to_eject(2, 1, half)
    assert not room_to_eject(3, 1, half)
