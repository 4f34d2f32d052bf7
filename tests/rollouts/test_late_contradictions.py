"""What contradicts is often known late: answers that were counted before, all of them even."""

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.counted import Counted, SideCount, look
from tierwise_core.windows import Window

COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), min_size=1, max_size=20)


def sums(compared: int, contradicted: int) -> Counted:
    window = Window(asked=compared, judged=compared, compared=compared, contradicted=contradicted)
    return Counted(SideCount(), SideCount(window))


def test_a_side_that_always_contradicts_is_counted_though_that_is_known_late() -> None:
    before = sums(compared=60, contradicted=0)
    now = sums(compared=70, contradicted=70)

    seen = look(before, now, 0.0, 2.0, FieldJudgement())

    assert seen.window is not None
    assert (seen.window.green.judged, seen.window.green.contradictions) == (10, 10)
    assert seen.kept.green.window.contradicted == 10


def test_what_was_left_for_later_is_counted_with_later_answers() -> None:
    kept = sums(compared=70, contradicted=10)

    seen = look(kept, sums(compared=100, contradicted=25), 2.0, 4.0, FieldJudgement())

    assert seen.window is not None
    assert seen.window.green.contradictions == 15


@given(COUNTS)
def test_no_contradiction_holds_up_the_counting_and_none_counts_twice(
    steps: list[tuple[int, int]],
) -> None:
    kept, compared, counted = Counted(), 0, 0
    for at, (more, contradicted) in enumerate(steps):
        compared += more
        now = sums(compared, min(contradicted, compared))
        seen = look(kept, now, float(at), at + 1.0, FieldJudgement())
        kept = seen.kept
        if seen.window is not None:
            assert seen.window.green.judged == more
            counted += seen.window.green.contradictions
        assert kept.green.window.judged == compared
        assert counted == kept.green.window.contradicted <= compared
