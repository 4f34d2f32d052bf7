"""Who changed a policy, a key or a rollout is in the audit, once."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from tierwise_ledger.auditing.reading import verify_store
from tierwise_ledger.auditing.watching import record_changes
from tierwise_ledger.erasing import forget_old
from tierwise_ledger.money.cluster import ClusterError
from tierwise_ledger.settings import Settings
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


def a_trial(*steps: tuple[str, str, int], **more: Any) -> dict[str, Any]:
    trajectory = [
        {"time": time, "stage": stage, "greenPercent": percent, "reason": "evidence"}
        for time, stage, percent in steps
    ]
    sides = {"green": {"revisions": ["5d6f", "77aa"]}}
    status = {"stage": steps[-1][1], "trajectory": trajectory, "sides": sides, **more}
    rollout = {"spec": {"specialistRef": {"name": "sorter"}}}
    return an_object("sorter-9c0e", status=status) | rollout


def test_every_change_of_the_shares_is_told_however_rarely_one_looks(store: Store) -> None:
    first = ("2026-11-22T12:00:00Z", "Canary", 5)
    look(store, rollouts=[a_trial(first)])
    then = [("12:01", "Shifting", 20), ("12:02", "Shifting", 45), ("12:03", "RollingBack", 0)]
    steps = [first, *((f"2026-11-22T{time}:00Z", *rest) for time, *rest in then)]
    verdict = {"outcome": "RolledBack", "reason": "Contradictions", "message": "3.1 times blue's"}
    for _ in range(2):
        look(store, rollouts=[a_trial(*steps, verdict=verdict)])

    with store.read() as connection:
        bodies = connection.execute(
            select(AUDIT_RECORDS.c.body).order_by(AUDIT_RECORDS.c.seq)
        ).scalars()
        found = [json.loads(body) for body in bodies]
        taken_back = connection.execute(select(ROLLED_BACK.c.revision)).scalars().all()
    shifted = [one for one in found if one["kind"] == "shifted"]
    assert [(one["stage"], one["green_percent"]) for one in shifted] == [
        (stage, percent) for _, stage, percent in steps
    ]
    assert shifted[1]["at"] - shifted[0]["at"] == 60.0
    assert {one["specialist"] for one in found[1:]} == {"demo/sorter"}
    assert found[-1]["reason"] == "Contradictions: 3.1 times blue's"
    assert sorted(taken_back) == ["5d6f", "77aa"]


def test_who_is_on_which_side_is_told_once_both_are_known_and_when_it_changes(
    store: Store,
) -> None:
    """A move to another tier makes a revision of its own."""
    rollout = {"spec": {"specialistRef": {"name": "sorter"}}}
    of_blue = (None, ["11aa"], ["11aa"], ["11aa", "22bb"])
    for blue in of_blue:
        sides = {"blue": {"revisions": blue}, "green": {"revisions": ["5d6f"]}}
        look(store, rollouts=[an_object("sorter-9c0e", status={"sides": sides}) | rollout])

    with store.read() as connection:
        bodies = connection.execute(select(AUDIT_RECORDS.c.body)).scalars()
        found = [one for one in map(json.loads, bodies) if one["kind"] == "lined-up"]
    assert [(one["blue"], one["green"]) for one in found] == [
        (["11aa"], ["5d6f"]),
        (["11aa", "22bb"], ["5d6f"]),
    ]


def test_a_revision_that_is_promoted_later_is_good_again(store: Store) -> None:
    step = ("2026-11-22T12:00:00Z", "RolledBack", 0)
    look(store, rollouts=[a_trial(step, verdict={"outcome": "RolledBack", "reason": "Cost"})])
    again = a_trial(step, verdict={"outcome": "Promoted", "reason": "Better"})
    again["metadata"]["uid"] = "u-2"

    look(store, rollouts=[again])

    with store.read() as connection:
        assert connection.execute(select(ROLLED_BACK)).all() == []


def test_what_is_there_for_months_is_chained_once(store: Store) -> None:
    look(store, tenants=[an_object("team-a")])

    forget_old(store, Settings(), 5.0 + 40 * 86_400)

    assert look(store, tenants=[an_object("team-a")]) == 0


def test_a_kind_that_cannot_be_listed_is_not_taken_for_deleted(store: Store) -> None:
    look(store, tenants=[an_object("team-a")], rollouts=[an_object("sorter-5d6f")])

    def denied(path: str) -> list[dict[str, Any]]:
        if path.endswith("tenants"):
            raise ClusterError("403")
        return []

    assert record_changes(store, denied, 6.0) == 1
    assert told(store)[-1] == ("rollouts", "Rollout/demo/sorter-5d6f", "deleted")
    assert ("keys", "Tenant/demo/team-a", "deleted") not in told(store)
