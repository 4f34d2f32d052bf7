"""Every rule on a real API server: the good object passes, the bad one is refused in our words."""

import pytest
from apiserver import ApiServer
from manifests import manifest
from rulecases import CHANGE_CASES, LIMITS, RULE_CASES, ChangeCase, Changes, RuleCase

pytestmark = pytest.mark.apiserver


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
