"""docs/replay.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tierwise_api import RouterPolicy
from tierwise_core.acceptance import AcceptanceModel, floor_after, lower_bound
from tierwise_core.confidence import Record
from tierwise_core.policy_learning import LearningPolicy
from tierwise_core.routing import FieldReading

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")


def test_the_policy_it_shows_is_the_default() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    policy = RouterPolicy.model_validate(yaml.safe_load(block))

    assert policy.spec.learning.to_core() == LearningPolicy()


def test_floors_loosen_as_its_table_says() -> None:
    rows = re.findall(r"\| (?:nothing|(\d+) of (\d+)) \| ([\d.]+) \| ([\d.]+) \|", PAGE)

    assert len(rows) == 4
    for accepted, of, lower, floor in rows:
        right, count = int(accepted or 0), int(of or 0)
        bound = lower_bound(Record(right, count - right))
        assert f"{bound:.2f}" == f"{float(lower):.2f}"
        assert f"{floor_after(bound, 0.85, 0.70):.2f}" == floor


def test_a_new_specialist_is_bounded_as_it_says() -> None:
    sure = FieldReading("sorting", 1.0, 1.0, {"sorting": 1.0})

    told = AcceptanceModel.empty().predict("demo/sorter", "", sure, None, "sorting")

    assert f"expected at {told.probability:.2f} and bounded at {told.lower:.2f}" in PAGE
