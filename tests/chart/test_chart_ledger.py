"""The ledger in the chart: one file and its claim, or PostgreSQL; a token; keys where named."""

from typing import Any

import pytest
from helmchart import container_of, environment_of, pod_of, refusal, rendered, the

pytestmark = pytest.mark.apiserver

POSTGRES: Any = {"ledger": {"database": {"existingSecret": "db"}, "replicas": 3}}
KEPT: Any = {"ledger": {"contents": {"keysSecret": "keys"}}}


def volumes(values: Any, name: str = "tierwise-ledger") -> dict[str, Any]:
    return {each["name"]: each for each in pod_of(rendered(values), name)["volumes"]}


def test_by_default_it_is_one_file_in_a_claim_that_outlives_the_release() -> None:
    objects = rendered({})
    deployment = the(objects, "Deployment", "tierwise-ledger")["spec"]
    claim = the(objects, "PersistentVolumeClaim", "tierwise-ledger")

    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert environment_of(objects, "tierwise-ledger")["TIERWISE_LEDGER_DATABASE"] == (
        "sqlite:////var/lib/tierwise/ledger/ledger.db"
    )


def test_postgresql_needs_no_claim_and_may_have_several_pods() -> None:
    objects = rendered(POSTGRES)

    assert "database" not in volumes(POSTGRES)
    assert not [one for one in objects if one["kind"] == "PersistentVolumeClaim"]
    assert the(objects, "Deployment", "tierwise-ledger")["spec"]["replicas"] == 3
    assert "Name a Secret with the address" in refusal({"ledger": {"replicas": 2}})


def test_routers_ship_to_it_with_its_token_and_start_without_it() -> None:
    environment = environment_of(rendered({}), "tierwise-router")

    assert environment["TIERWISE_LEDGER_URL"] == "http://tierwise-ledger.tierwise-system.svc"
    assert environment["TIERWISE_LEDGER_TOKEN_FILE"] == "/var/run/tierwise/ledger/token"
    assert volumes({}, "tierwise-router")["ledger"]["secret"]["optional"] is True
    assert set(the(rendered({}), "Secret", "tierwise-ledger")["data"]) == {"token", "audit-key"}


def test_without_it_routers_ship_nowhere() -> None:
    objects = rendered({"ledger": {"enabled": False}})

    assert "TIERWISE_LEDGER_URL" not in environment_of(objects, "tierwise-router")
    assert not [one for one in objects if one["metadata"]["name"] == "tierwise-ledger"]


def test_both_sides_get_the_keys_of_contents_and_start_without_them() -> None:
    for name in ("tierwise-router", "tierwise-ledger"):
        secret = volumes({}, name)["keys"]["secret"]
        assert (secret["secretName"], secret["optional"]) == ("tierwise-contents", True)
        assert volumes(KEPT, name)["keys"]["secret"]["secretName"] == "keys"
        assert "keys" not in volumes({"ledger": {"contents": {"keysSecret": ""}}}, name)


def test_a_volume_of_your_own_keeps_what_routers_have_not_sent() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "outcomes"}}
    kept: Any = {"ledger": {"spoolVolume": claim}}
    environment = environment_of(rendered(kept), "tierwise-router")

    assert volumes(kept, "tierwise-router")["spool"] == {"name": "spool", **claim}
    assert environment["TIERWISE_SPOOL_DIR"] == "/var/lib/tierwise/spool"
    assert "TIERWISE_JOURNAL_DIR" not in environment
    in_the_pod = environment_of(rendered({}), "tierwise-router")
    assert in_the_pod["TIERWISE_JOURNAL_DIR"] == "/tmp/journal"  # noqa: S108 - its own emptyDir
    assert "TIERWISE_SPOOL_DIR" not in in_the_pod


def test_a_token_of_your_own_is_used_by_both() -> None:
    own: Any = {"ledger": {"token": {"existingSecret": "mine", "key": "t"}}}

    assert volumes(own, "tierwise-router")["ledger"]["secret"]["items"] == [
        {"key": "t", "path": "token"}
    ]
    assert volumes(own)["secret"]["secret"]["secretName"] == "mine"
    assert container_of(rendered(own), "tierwise-ledger")["command"][-1] == "tierwise_ledger"
