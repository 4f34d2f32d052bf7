"""What the doctor makes of the ledger, and of prompts and answers that are to be kept."""

from base64 import b64encode
from typing import Any

import pytest
from fleetseen import deployment, healthy, keeping, router_with_keys

from tierwise_cli.checks import (
    Check,
    Outcome,
    Probe,
    Snapshot,
    Unread,
    Workload,
    checks,
    keys_wanted,
)

GOOD_KEY = "5d" * 32


def check(name: str, seen: Snapshot) -> Check:
    """The result of one check."""
    (found,) = [result for result in checks(seen) if result.name == name]
    return found


def contents(secret: Any, policy: Any = None, router: Any = None) -> Check:
    """The check of contents, where a policy wants those of one tenant kept."""
    seen = healthy(
        policies=[policy or keeping("demo/team-a")],
        router=Workload(router or router_with_keys()),
        keys=secret,
    )
    return check("contents", seen)


def secret(**entries: str) -> dict[str, Any]:
    return {"data": {name: b64encode(value.encode()).decode() for name, value in entries.items()}}


def test_a_ledger_that_answers_is_fine() -> None:
    found = check("ledger", healthy())

    assert (found.status, found.summary) == (Outcome.OK, "1 pod ready")


def test_a_ledger_whose_database_is_away_says_what_it_answers() -> None:
    found = check("ledger", healthy(ledger_ready=Probe(503, "the database does not answer")))

    assert found.status is Outcome.FAIL
    assert "503: the database does not answer" in found.summary
    assert "deployment/tierwise-ledger" in found.fix


def test_a_ledger_without_a_ready_pod_is_a_failure() -> None:
    down = Workload(deployment("tierwise-ledger", up=0))

    assert check("ledger", healthy(ledger=down)).status is Outcome.FAIL


def test_no_ledger_is_a_choice_and_one_elsewhere_is_named() -> None:
    without: dict[str, Any] = {"ledger": Workload(None), "ledger_ready": Probe(404, "")}
    router = router_with_keys(TIERWISE_LEDGER_URL="https://ledger.example.com")

    off = check("ledger", healthy(**without))
    elsewhere = check("ledger", healthy(**without, router=Workload(router)))

    assert (off.status, elsewhere.status) == (Outcome.OK, Outcome.OK)
    assert "https://ledger.example.com" in elsewhere.summary
    assert "https://" not in off.summary


def test_contents_that_nobody_wants_need_no_key() -> None:
    for policies in ((), [{"metadata": {"name": "default"}, "spec": {}}], [keeping()]):
        found = check("contents", healthy(policies=policies))

        assert found.status is Outcome.OK
        assert keys_wanted(policies, Workload(router_with_keys())) is None


def test_contents_with_a_key_are_kept_and_the_key_is_named() -> None:
    found = contents(secret(**{"2026-01": GOOD_KEY, "2026-02": GOOD_KEY}))

    assert found.status is Outcome.OK
    assert found.summary == "prompts and answers of demo/team-a are kept, sealed with key 2026-02"


def test_a_secret_that_is_missing_is_told_with_the_command_that_makes_it() -> None:
    found = contents(None)

    assert found.status is Outcome.FAIL
    assert "there is no Secret tierwise-contents, so none is" in found.summary
    assert found.fix == (
        "kubectl -n tierwise-system create secret generic tierwise-contents "
        "--from-literal=2026-01=$(openssl rand -hex 32)"
    )


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({}, "there is no key in Secret tierwise-contents"),
        ({"2026-01": "short"}, "key '2026-01' in Secret tierwise-contents is not 32 bytes"),
        ({"2026-01": GOOD_KEY, "current": "2025"}, "names '2025', but the keys are 2026-01"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_as_the_routers_would(
    entries: dict[str, str], told: str
) -> None:
    found = contents(secret(**entries))

    assert found.status is Outcome.FAIL
    assert told in found.summary


def test_a_chart_that_names_no_secret_is_told_which_value_to_set() -> None:
    found = contents(None, router=deployment("tierwise-router", replicas=2))

    assert found.status is Outcome.FAIL
    assert "ledger.contents.keysSecret" in found.fix


def test_who_may_not_read_the_secret_or_the_policies_is_told_so() -> None:
    denied = Unread("refuses: secrets is forbidden", "ask the administrator")

    assert contents(denied).status is Outcome.WARN
    assert check("contents", healthy(policies=denied)).fix == "ask the administrator"


def test_a_router_that_is_not_there_leaves_it_open() -> None:
    seen = healthy(policies=[keeping("*")], router=Workload(None))

    assert check("contents", seen).status is Outcome.WARN


def test_the_policy_that_counts_is_the_one_the_routers_obey() -> None:
    router = Workload(router_with_keys(TIERWISE_POLICY="strict"))
    policies = [keeping("demo/a"), keeping("*", name="strict")]

    found = check("contents", healthy(policies=policies, router=router, keys=None))

    assert found.summary.startswith("prompts and answers of everybody are to be kept")
    assert keys_wanted([keeping("demo/a")], router) is None
    assert keys_wanted(policies, router) == "tierwise-contents"
