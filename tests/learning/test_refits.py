"""What a refit makes of confidences, many of which are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.calibration import Pool, fit_isotonic, fit_platt, pooled, refit

ANSWERS = st.lists(st.tuples(st.sampled_from([0.2, 0.6, 0.8, 0.95]), st.booleans()), min_size=1)


def test_a_staircase_says_of_a_confidence_what_came_of_it() -> None:
    told = [0.6, 0.8, 0.95] * 1000
    came = [
        float(number % 20 < {0.6: 8, 0.8: 12, 0.95: 15}[one]) for number, one in enumerate(told)
    ]

    fitted = fit_isotonic(pooled(told, came))

    shares = [fitted.apply(one) for one in (0.6, 0.8, 0.95)]
    assert shares == pytest.approx([0.4, 0.6, 0.75], abs=0.01)


@given(ANSWERS)
def test_the_order_of_answers_is_nothing_to_a_map(answers: list[tuple[float, bool]]) -> None:
    told, came = [one for one, _ in answers], [float(right) for _, right in answers]

    forth, back = pooled(told, came), pooled(told[::-1], came[::-1])

    assert forth == back
    assert sum(one.answers for one in forth) == len(answers)
    assert sum(one.right for one in forth) == sum(came)


@given(ANSWERS)
def test_maps_rise_and_stay_shares(answers: list[tuple[float, bool]]) -> None:
    pools = pooled([one for one, _ in answers], [float(right) for _, right in answers])
    for fitted in (fit_isotonic(pools), fit_platt(pools)):
        said = [fitted.apply(number / 50) for number in range(1, 50)]

        assert said == sorted(said)
        assert all(0.0 <= one <= 1.0 for one in said)


def test_many_answers_weigh_as_much_together_as_one_by_one() -> None:
    one_by_one = fit_platt([Pool(0.9, right, 1) for right in (1.0, 1.0, 1.0, 0.0)] * 50)
    together = fit_platt([Pool(0.9, 150.0, 200)])

    assert one_by_one.apply(0.9) == pytest.approx(together.apply(0.9))


def test_steps_that_no_line_follows_are_found_among_few_confidences() -> None:
    shares = {0.5: 0.5, 0.7: 0.5, 0.9: 0.5, 0.97: 0.95}
    told = [one for _ in range(300) for one in shares]
    answers = [
        (float(at), one, (at // 4 * 7) % 20 < shares[one] * 20) for at, one in enumerate(told)
    ]

    found = refit(answers)

    assert found.chosen.kind == "isotonic"
    assert found.helps
    assert found.chosen.apply(0.9) == pytest.approx(0.5, abs=0.02)
