"""What comes in is chained, and what is done to the database later is found and named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from recorded_decisions import an_escalation
from sqlalchemy import delete, select, text, update

from tierwise_core.audit_findings import first_findings
from tierwise_core.audit_lines import export_lines, proof_json, read_export, read_proof
from tierwise_core.audit_verify import verify
from tierwise_ledger.auditing.chain import note
from tierwise_ledger.auditing.checkpoints import seal, seal_streams
from tierwise_ledger.auditing.reading import entries, heads, proofs, verify_store
from tierwise_ledger.auditing.signatures import signature_problem
from tierwise_ledger.auditing.signing import Signer, published_keys
from tierwise_ledger.errors import NotKnownError, SettingsError
from tierwise_ledger.ingest import ingest
from tierwise_ledger.outcome_rows import packed
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.audit import AUDIT_CHECKPOINTS, AUDIT_RECORDS
from tierwise_ledger.tables.judged import INTERACTIONS
from tierwise_ledger.tables.outcomes import OUTCOMES, RECORDS


def rows(count: int) -> list[dict[str, Any]]:
    return [an_escalation(id=f"d-x-1-{at:06x}", at=1000.0 + at).to_row() for at in range(count)]


def take(store: Store, some: list[dict[str, Any]]) -> None:
    with store.begin() as connection:
        ingest(connection, some, received_at=5000.0)


def found_first(store: Store) -> list[tuple[str, int, str]]:
    with store.read() as connection:
        found = verify_store(connection)
    return [(one.stream, one.seq, one.what) for one in first_findings(found.findings)]


@pytest.fixture
def keyed(tmp_path: Path) -> Settings:
    """Settings with a key of their own: on a server there is none beside the database."""
    path = tmp_path / "of-the-settings"
    path.write_text("7" * 64)
    return Settings(audit_key_file=str(path))


@pytest.fixture
def recorded(store: Store, keyed: Settings) -> Store:
    take(store, rows(6))
    seal(store, keyed, 6000.0)
    take(store, [{"kind": "feedback", "decision": "d-x-1-000002", "accepted": False, "at": 1100.0}])
    take(
        store,
        [
            {
                "kind": "audit", "id": "a-1", "at": 1200.0, "stream": "policies",
                "action": "changed", "subject": "RouterPolicy/default", "spec": {"hops": 3},
            }
        ],
    )  # fmt: skip
    return store


def test_what_came_in_is_whole_and_signed(recorded: Store) -> None:
    with recorded.read() as connection:
        found = verify_store(connection)
        streams = {row["stream"]: row["count"] for row in heads(connection)}

    assert found.intact
    assert streams == {"decisions": 6, "feedback": 1, "policies": 1, "keys": 1}
    assert found.signed == found.checkpoints == 2
    assert found.uncovered == 2


def test_what_is_known_is_not_chained_again(recorded: Store) -> None:
    take(recorded, rows(6))

    with recorded.read() as connection:
        assert {row["stream"]: row["count"] for row in heads(connection)}["decisions"] == 6


def test_ledgers_that_write_at_once_keep_one_chain(store: Store) -> None:
    some = rows(40)
    words = [
        {"kind": "feedback", "decision": row["id"], "accepted": False, "at": 1100.0} for row in some
    ]
    batches = [some[at::4] for at in range(4)] + [words[at::4] for at in range(4)]
    with ThreadPoolExecutor(8) as ledgers:
        list(ledgers.map(lambda batch: take(store, batch), batches))

    with store.read() as connection:
        assert verify_store(connection).intact
        assert {row["stream"]: row["count"] for row in heads(connection)} == {
            "decisions": 40,
            "feedback": 40,
        }
        judged = select(INTERACTIONS.c.source).where(INTERACTIONS.c.answered)
        assert set(connection.execute(judged).scalars()) == {"feedback"}


def test_sealing_covers_the_rest_once(recorded: Store, keyed: Settings) -> None:
    assert seal(recorded, keyed, 7000.0) == 2
    assert seal(recorded, keyed, 7001.0) == 0
    with recorded.read() as connection:
        assert verify_store(connection).uncovered == 0


def test_a_changed_body_is_named(recorded: Store) -> None:
    with recorded.begin() as connection:
        changed = text(
            "UPDATE audit_records SET body = replace(body, 'escalated', 'accepted') "
            "WHERE stream = 'decisions' AND seq = 3"
        )
        assert connection.execute(changed).rowcount == 1

    assert found_first(recorded) == [("decisions", 3, "changed")]


def test_a_dropped_record_is_named(recorded: Store) -> None:
    with recorded.begin() as connection:
        connection.execute(
            delete(AUDIT_RECORDS).where(
                AUDIT_RECORDS.c.stream == "decisions", AUDIT_RECORDS.c.seq == 2
            )
        )

    assert found_first(recorded) == [("decisions", 2, "dropped")]


def test_records_that_changed_places_are_named(recorded: Store) -> None:
    with recorded.begin() as connection:
        for old, new in ((1, 90), (4, 1), (90, 4)):
            connection.execute(
                update(AUDIT_RECORDS)
                .where(AUDIT_RECORDS.c.stream == "decisions", AUDIT_RECORDS.c.seq == old)
                .values(seq=new)
            )

    assert found_first(recorded) == [("decisions", 1, "reordered")]


def test_what_was_cut_off_before_a_checkpoint_came_is_found_by_the_streams_end(
    recorded: Store,
) -> None:
    with recorded.begin() as connection:
        connection.execute(delete(AUDIT_RECORDS).where(AUDIT_RECORDS.c.stream == "feedback"))

    assert found_first(recorded) == [("feedback", 0, "dropped")]


def test_a_decision_that_was_changed_in_its_own_table_is_named(recorded: Store) -> None:
    forged = packed(an_escalation(id="d-x-1-000004", at=1004.0, cost_usd=0.0).to_row())
    with recorded.begin() as connection:
        connection.execute(
            update(RECORDS).where(RECORDS.c.id == "d-x-1-000004").values(body=forged)
        )

    with recorded.read() as connection:
        (finding,) = verify_store(connection).findings

    assert (finding.seq, finding.subject) == (4, "d-x-1-000004")
    assert "is not the one that was chained" in finding.message


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("cost_nano_usd", 1, "has cost_usd 1e-09, record 4 has"),
        ("state", "accepted", "has state 'accepted', record 4 has 'escalated'"),
        ("tenant", "demo/others", "has tenant 'demo/others'"),
        ("specialist", "demo/sorter", "has specialist 'demo/sorter'"),
        ("tier", "rtx-4090", "has tier 'rtx-4090'"),
    ],
)
def test_an_outcome_that_reports_would_count_otherwise_is_named(
    recorded: Store, column: str, value: object, says: str
) -> None:
    """Costs and rates are made of the outcomes, so that these must be what was chained."""
    with recorded.begin() as connection:
        changed = update(OUTCOMES).where(OUTCOMES.c.id == "d-x-1-000004").values({column: value})
        connection.execute(changed)

    with recorded.read() as connection:
        (finding,) = verify_store(connection).findings

    assert (finding.stream, finding.seq, finding.what) == ("decisions", 4, "changed")
    assert says in finding.message


def test_checkpoints_that_are_gone_are_missed(recorded: Store, keyed: Settings) -> None:
    seal(recorded, keyed, 7000.0)
    with recorded.begin() as connection:
        connection.execute(delete(AUDIT_CHECKPOINTS).where(AUDIT_CHECKPOINTS.c.stream == "keys"))

    with recorded.read() as connection:
        (finding,) = verify_store(connection).findings

    assert (finding.stream, finding.what) == ("keys", "checkpoint")
    assert "covers 1 records; there is none" in finding.message


def test_a_record_that_is_filed_under_another_name_is_named(recorded: Store) -> None:
    with recorded.begin() as connection:
        connection.execute(
            update(AUDIT_RECORDS)
            .where(AUDIT_RECORDS.c.stream == "decisions", AUDIT_RECORDS.c.seq == 5)
            .values(subject="d-x-1-ffffff")
        )

    assert found_first(recorded) == [("decisions", 5, "changed")]


def test_erasing_a_decision_leaves_the_chain_whole(recorded: Store) -> None:
    with recorded.begin() as connection:
        connection.execute(delete(RECORDS))
        note(connection, "erasures", "erased", "tenant-1", 7000.0, outcomes=6)

    assert found_first(recorded) == []


def test_a_forged_checkpoint_is_named(recorded: Store) -> None:
    with recorded.begin() as connection:
        connection.execute(update(AUDIT_CHECKPOINTS).values(at=1.0))

    assert ("decisions", 6, "checkpoint") in found_first(recorded)


def test_another_key_put_in_place_of_the_published_one_fools_nobody_who_kept_it(
    recorded: Store,
) -> None:
    with recorded.read() as connection:
        kept = published_keys(connection)
    theirs = Signer(Ed25519PrivateKey.generate())
    with recorded.begin() as connection:
        connection.execute(text("DELETE FROM audit_keys"))
        connection.execute(text("DELETE FROM audit_checkpoints"))
        connection.execute(text("UPDATE audit_streams SET covered = 0"))
        theirs.publish(connection, 7000.0)
    with recorded.begin() as connection:
        seal_streams(connection, theirs, 7000.0)

    with recorded.read() as connection:
        assert verify_store(connection).intact
        assert not verify_store(connection, kept).intact


def test_signatures_that_are_taken_away_are_missed_by_whoever_knows_the_key(
    recorded: Store,
) -> None:
    with recorded.begin() as connection:
        kept = published_keys(connection)
        connection.execute(update(AUDIT_CHECKPOINTS).values(key_id="", signature=""))

    with recorded.read() as connection:
        assert "nobody has signed it" in verify_store(connection, kept).findings[0].message


def test_an_export_can_be_looked_through_by_itself(recorded: Store, keyed: Settings) -> None:
    seal(recorded, keyed, 7000.0)
    with recorded.read() as connection:
        lines = list(export_lines(published_keys(connection), entries(connection)))

    export = read_export(lines)
    found = verify(export.entries, lambda one: signature_problem(one, export.keys))

    assert found.intact
    assert found.records == 9


def test_a_decision_is_proved_without_the_others(recorded: Store) -> None:
    with recorded.read() as connection:
        keys = published_keys(connection)
        (proof,) = proofs(connection, "d-x-1-000003")

    again, theirs = read_proof(proof_json(proof, keys))

    assert again.holds
    assert signature_problem(again.checkpoint, theirs) == ""
    assert again.record.said["specialist"] == "default/frontier"
    forged = replace(again, record=replace(again.record, body="{}"))
    assert not forged.holds


def test_what_is_unknown_or_not_covered_yet_cannot_be_proved(recorded: Store) -> None:
    with recorded.read() as connection:
        with pytest.raises(NotKnownError, match="no record about 'd-9'"):
            proofs(connection, "d-9")
        with pytest.raises(NotKnownError, match="no checkpoint covers record 0 of feedback"):
            proofs(connection, "d-x-1-000002")


def test_what_is_no_stream_of_theirs_goes_to_other(store: Store) -> None:
    take(store, [{"kind": "audit", "id": "a-9", "at": 1.0, "stream": "decisions"}])

    with store.read() as connection:
        kept = connection.execute(select(AUDIT_RECORDS.c.stream)).scalars().all()

    assert kept == ["other"]


def test_without_a_key_a_file_gets_one_and_a_server_does_not(store: Store) -> None:
    first, second = Signer.of(Settings(), store), Signer.of(Settings(), store)

    if not store.is_sqlite:
        assert first is None
        return
    assert first is not None
    assert second is not None
    assert first.public_key == second.public_key
    path = Path(store.engine.url.database or "").with_name("audit-key")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_without_a_key_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("no key")

    with pytest.raises(SettingsError, match="holds no Ed25519 key; give PEM"):
        Signer.of(replace(Settings(), audit_key_file=str(path)), store)
    with pytest.raises(SettingsError, match="cannot be read"):
        Signer.of(replace(Settings(), audit_key_file=str(tmp_path / "none")), store)
