"""What the pages on examinations and drift show is what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from docblocks import blocks

from tierwise_api import FieldProfile
from tierwise_api.rollout_strategy import RolloutStrategy
from tierwise_core.drifting.training_job import Run, training_job
from tierwise_core.examining.checking import CHECKS
from tierwise_core.examining.judging import JUDGE
from tierwise_core.examining.questions import read_questions
from tierwise_core.specialist import ModelSpec, Specialist

ROOT = Path(__file__).parents[2]
DRIFT, EXAMINATION = "docs/drift.md", "docs/examination.md"


def shown() -> list[Any]:
    return [yaml.safe_load(text) for text in blocks(EXAMINATION, "yaml")]


def sets() -> list[str]:
    return [str(each["data"]["questions.jsonl"]) for each in shown() if "data" in each]


@pytest.mark.parametrize(("text", "verifier"), list(zip(sets(), ["exact", "refusal"], strict=True)))
def test_every_question_of_the_page_can_be_read(text: str, verifier: str) -> None:
    assert len(read_questions(text, verifier, 100)) == len(text.splitlines())


def test_the_profile_of_the_page_names_sets_that_are_files() -> None:
    (profile,) = [
        FieldProfile.from_cluster(each) for each in shown() if each.get("kind") == "FieldProfile"
    ]
    assert profile.spec.benchmark is not None
    assert profile.spec.safety is not None
    assert (profile.spec.benchmark.revision, profile.spec.safety.config_map) == ("v2", None)


def test_every_check_is_on_the_page() -> None:
    page = (ROOT / EXAMINATION).read_text()
    assert all(f"| `{name}`" in page for name in (*CHECKS, JUDGE))


def test_the_training_of_the_page_is_right_and_every_variable_is_told() -> None:
    (text,) = blocks(DRIFT, "yaml")
    given: dict[str, Any] = yaml.safe_load(text)["spec"]["rollout"]
    training = RolloutStrategy.model_validate(given).training
    assert training is not None
    template = training.job_template.model_dump(by_alias=True)
    run = Run.of(Specialist("ai", "sorter", "u", 1), ModelSpec("file:///m"), 1)
    (container,) = training_job(run, template, 60.0)["spec"]["template"]["spec"]["containers"]
    page = (ROOT / DRIFT).read_text()
    assert all(f"`{variable['name']}`" in page for variable in container["env"])
