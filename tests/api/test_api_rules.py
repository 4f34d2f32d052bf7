"""The Python side of every rule: the same objects refused in the same words, without a server."""

from collections.abc import Iterator
from typing import Any

import pytest
from manifests import MODELS, manifest
from pydantic import ValidationError
from rulecase import Changes, RuleCase
from rulecases import CHANGE_CASES, LIMITS, RULE_CASES

from tierwise_api import KINDS, problems
from tierwise_api.crd import custom_resource_definition
from tierwise_api.rules import VALIDATIONS


def reasons(body: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ValidationError) as refused:
        MODELS[body["kind"]].model_validate(body)
    return problems(refused.value)


@pytest.mark.parametrize("case", RULE_CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_the_good_object_is_valid(case: RuleCase) -> None:
    MODELS[case.kind].model_validate(case.good_object())


@pytest.mark.parametrize("case", RULE_CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_the_bad_object_is_invalid_in_the_same_words(case: RuleCase) -> None:
    assert reasons(case.bad_object()) == (f"{case.at}: {case.says}",)


@pytest.mark.parametrize(("kind", "changes", "at"), LIMITS)
def test_bounds_name_the_field(kind: str, changes: Changes, at: str) -> None:
    assert at in {reason.split(": ")[0] for reason in reasons(manifest(kind, changes))}


def test_every_rule_of_every_kind_has_a_case() -> None:
    """A type that several kinds share has its case at one of them."""
    tried = [case.says for case in (*RULE_CASES, *CHANGE_CASES)]
    stated = {
        rule["message"] for kind in KINDS for rule in _rules(custom_resource_definition(kind))
    }

    untried = {message for message in stated if not any(s.startswith(message) for s in tried)}

    assert untried == set()
    assert len(stated) > 30


def test_all_problems_of_an_object_are_told_at_once() -> None:
    body = manifest(
        "Specialist",
        {
            "spec.field": "A B",
            "spec.model.source": "sorter",
            "spec.placement.replicas": {"min": 2, "max": 1},
            "spec.colour": "blue",
        },
    )

    assert [reason.split(": ")[0] for reason in reasons(body)] == [
        "spec.field",
        "spec.model.source",
        "spec.placement.replicas.max",
        "spec.colour",
    ]


def _rules(schema: Any) -> Iterator[dict[str, str]]:
    if isinstance(schema, dict):
        yield from schema.get(VALIDATIONS, ())
        for child in schema.values():
            yield from _rules(child)
    if isinstance(schema, list):
        for child in schema:
            yield from _rules(child)
