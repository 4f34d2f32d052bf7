"""Every rule on a real API server: the good object passes, the bad one is refused in our words."""

from typing import Any

import pytest
from apiserver import ApiServer
from manifests import MODELS, manifest
from pydantic import ValidationError
from rulecase import Changes, RuleCase
from rulecases import CHANGE_CASES, LIMITS, RULE_CASES, ChangeCase

pytestmark = pytest.mark.apiserver


def is_valid(body: dict[str, Any]) -> bool:
    try:
        MODELS[body["kind"]].model_validate(body)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("case", RULE_CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_the_good_object_is_accepted(api_server: ApiServer, case: RuleCase) -> None:
    answer = api_server.create(case.good_object(), dry_run=True)

    assert answer.accepted, answer.body["message"]
    assert answer.warnings == ()


@pytest.mark.parametrize("case", RULE_CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_the_bad_object_is_refused_in_our_words(api_server: ApiServer, case: RuleCase) -> None:
    answer = api_server.create(case.bad_object(), dry_run=True)

    assert not answer.accepted
    blamed = {cause.field: cause.message for cause in answer.causes if case.says in cause.message}
    assert list(blamed) == [case.at], answer.body["message"]
    assert blamed[case.at].endswith(case.says)


QUANTITIES = (
    *("24Gi", "40G", "1.5Ki", ".5Gi", "5.", "+5Gi", "100m", "1n", "1e3", "1E3", "1E", "1e-3"),
    *("2e+2", "0", "0Gi", "-1Gi", "24GB", "24 Gi", "24gi", "K", "24K", "1e", "1e1.5", "", "0x10"),
    *("1e99", "9999999999999E", "1_000", "1,5", "\u0661Gi", "5\n"),
    *(1, 0, -5, 2**62),
)

DURATIONS = (
    *("10m", "1h30m", "1.5s", "250ms", "0s", "0h0m", "-1s", "1d", "10", "", "m", "1h 30m", "5\n"),
    *("999999h", "1000000h", "1.2345s", ".5s", "1.s", "10 minutes"),
)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_both_sides_agree_on_what_a_quantity_is(api_server: ApiServer, quantity: int | str) -> None:
    body = manifest("GPUTier", {"spec.gpu.memory": quantity})

    assert api_server.create(body, dry_run=True).accepted == is_valid(body)


@pytest.mark.parametrize("duration", DURATIONS)
def test_both_sides_agree_on_what_a_duration_is(api_server: ApiServer, duration: str) -> None:
    body = manifest("Rollout", {"spec.strategy": {"cooldown": duration}})

    assert api_server.create(body, dry_run=True).accepted == is_valid(body)


@pytest.mark.parametrize("case", CHANGE_CASES, ids=lambda case: case.at)
def test_identity_cannot_change(api_server: ApiServer, case: ChangeCase) -> None:
    stored = manifest(case.kind, {"metadata.name": "identity"})
    assert api_server.create(stored).accepted
    changed = manifest(case.kind, {"metadata.name": "identity", **case.change})

    answer = api_server.merge(stored, {"spec": changed["spec"]})

    assert [(c.field, c.message.endswith(case.says)) for c in answer.causes] == [(case.at, True)]
    assert api_server.delete(stored).accepted


@pytest.mark.parametrize(("kind", "changes", "at"), LIMITS)
def test_bounds_of_the_schema_name_the_field(
    api_server: ApiServer, kind: str, changes: Changes, at: str
) -> None:
    answer = api_server.create(manifest(kind, changes), dry_run=True)

    assert not answer.accepted
    assert at in {cause.field for cause in answer.causes}, answer.body["message"]
