"""Who changed a policy, a key or a rollout is in the audit, once."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from tierwise_ledger.auditing.reading import verify_store
from tierwise_ledger.auditing.watching import record_changes
from tierwise_ledger.money.cluster import ClusterError
from tierwise_ledger.store import Store
from tierwise_ledger.tables.audit import AUDIT_RECORDS
from tierwise_ledger.tables.learned import ROLLED_BACK


def an_object(name: str, generation: int = 1, **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "demo", "uid": f"u-{name}", "generation": generation}
    return {"metadata": meta, "spec": {"generation": generation}, **more}


def look(store: Store, **kinds: list[dict[str, Any]]) -> int:
    return record_changes(store, lambda path: kinds.get(path.rpartition("/")[2], []), 5.0)


def told(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as connection:
        rows = connection.execute(
            select(AUDIT_RECORDS.c.stream, AUDIT_RECORDS.c.subject, AUDIT_RECORDS.c.body).order_by(
                AUDIT_RECORDS.c.stream, AUDIT_RECORDS.c.seq
            )
        ).all()

    return [(row.stream, row.subject, json.loads(row.body)["kind"]) for row in rows]


def test_what_is_created_changed_and_deleted_is_told_once(store: Store) -> None:
    assert look(store, tenants=[an_object("team-a")]) == 1
    assert look(store, tenants=[an_object("team-a")]) == 0
    assert look(store, tenants=[an_object("team-a", 2)]) == 1
    assert look(store) == 1
    assert look(store) == 0

    assert told(store) == [
        ("keys", "Tenant/demo/team-a", "created"),
        ("keys", "Tenant/demo/team-a", "changed"),
        ("keys", "Tenant/demo/team-a", "deleted"),
    ]
    with store.read() as connection:
        assert verify_store(connection).intact


def test_a_rollout_is_told_from_its_first_share_to_its_verdict(store: Store) -> None:
    shifting = {"stage": "Canary", "weights": {"green": 5}}
    ended = {
        "stage": "Done",
        "weights": {"green": 0},
        "verdict": {"outcome": "RolledBack", "reason": "UtilityRegression"},
    }
    rollout = {"spec": {"specialistRef": {"name": "sorter"}}}
    for status in ({}, shifting, shifting, ended):
        look(store, rollouts=[an_object("sorter-5d6f", status=status) | rollout])

    assert [kind for _, _, kind in told(store)] == ["created", "shifted", "shifted", "rolled-back"]
    with store.read() as connection:
        (row,) = connection.execute(select(ROLLED_BACK)).all()
    assert (row.specialist, row.revision) == ("demo/sorter", "5d6f")


def test_a_kind_that_cannot_be_listed_is_not_taken_for_deleted(store: Store) -> None:
    look(store, tenants=[an_object("team-a")], rollouts=[an_object("sorter-5d6f")])

    def denied(path: str) -> list[dict[str, Any]]:
        if path.endswith("tenants"):
            raise ClusterError("403")
        return []

    assert record_changes(store, denied, 6.0) == 1
    assert told(store)[-1] == ("rollouts", "Rollout/demo/sorter-5d6f", "deleted")
    assert ("keys", "Tenant/demo/team-a", "deleted") not in told(store)
