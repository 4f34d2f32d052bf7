"""What a status remembers of a rollout."""

from __future__ import annotations

import pytest

from tierwise_core.rollout.memory import recalled, remembered
from tierwise_core.rollout.situation import Standing
from tierwise_core.rollout.stages import Stage


def test_what_a_newer_version_added_is_left_out_and_what_is_missing_has_its_default() -> None:
    row = {**remembered(Standing(stage=Stage.CANARY, percent=5)), "colour": "teal"}
    del row["watch"]

    assert recalled(row) == Standing(stage=Stage.CANARY, percent=5)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"stage": "Dancing"}, "stage is 'Dancing': it must be one of Pending"),
        ({"evidence": {"blue": 7}}, "evidence.blue is 7: it must be an object"),
    ],
)
def test_what_cannot_be_read_is_named(row: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recalled(row)
