"""Prompts and answers: sealed on the way, opened for whom they concern, and gone in time."""

from __future__ import annotations

import secrets
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dispatchers import Running, route
from instant_engine import instant_engine
from ledgers import NOON, Served, a_decision, a_word, count
from sqlalchemy import event, insert, select

from tierwise_core.policy_contents import EVERYBODY, ContentsPolicy
from tierwise_core.route_table import RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_ledger.contents import read, renew_seals
from tierwise_ledger.erasing import erase_tenant, forget_old
from tierwise_ledger.errors import SealError
from tierwise_ledger.ingest import ingest
from tierwise_ledger.sealing import Keyring
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.contents import CONTENTS, ERASURES
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOME_HOURS, OUTCOMES, RECORDS
from tierwise_router.brain import Brain
from tierwise_router.contents import Contents
from tierwise_router.decision import Decision
from tierwise_router.exposition import exposition
from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail
from tierwise_router.table import build_table

TENANT = "demo/team-a"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "2026-10").write_text(secrets.token_hex(32))
    return folder


def take(store: Store, *rows: Mapping[str, Any]) -> int:
    with store.begin() as connection:
        return ingest(connection, rows, received_at=NOON, takers=()).new


@asynccontextmanager
async def a_router(tmp_path: Path, keys: Path) -> AsyncIterator[Running]:
    """A router that has keys, and keeps nothing until a policy says so."""
    async with instant_engine() as url:
        running = await Running.start(route("sorter", url))
        dispatcher = running.dispatcher
        dispatcher.journal = Journal(tmp_path / "journal", dispatcher.ids.process, 1 << 26)
        dispatcher.contents = Contents(str(keys))
        yield running
        dispatcher.journal.close()
        await running.stop()


def obey(running: Running, policy: ContentsPolicy) -> None:
    table = running.dispatcher.current_brain().table
    given = RouterPolicy(contents=policy)
    running.dispatcher.take(
        Brain.build(RouteTable.of(table.routes.values(), table.tiers.values(), given))
    )


def journal(running: Running) -> list[dict[str, Any]]:
    kept = running.dispatcher.journal
    assert kept is not None
    kept.flush()
    return list(tail(kept.directory, Marks()))


def kept_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["id"] for row in rows if row["kind"] == "content"]


async def asked(tmp_path: Path, keys: Path, text: str, **how: Any) -> list[dict[str, Any]]:
    """Ask a router that keeps contents; give the rows of its journal."""
    async with a_router(tmp_path, keys) as running:
        obey(running, ContentsPolicy((EVERYBODY,), keep_days=7))
        assert (await running.chat(text, **how)).status_code == 200
        return journal(running)


@pytest.mark.parametrize("how", [{}, {"stream": True}, {"model": "sorter"}])
async def test_what_was_asked_and_answered_can_be_read_again(
    store: Store, tmp_path: Path, keys: Path, how: dict[str, Any]
) -> None:
    rows = await asked(tmp_path, keys, "sort dbca", **how)
    assert b"sort dbca" not in b"".join(
        path.read_bytes() for path in (tmp_path / "journal").iterdir()
    )
    take(store, *rows)

    name = next(row["id"] for row in rows if row["kind"] == "content")
    with store.read() as connection:
        found = read(connection, Settings(keys_dir=str(keys)), [name, "d-no-such-1"])[name]
    assert found["messages"][0]["content"] == "sort dbca"
    assert '"content"' in found["response"]
    if not how:
        assert found["answers"] == {"0": "abcd"}


async def test_a_policy_switches_it_on_and_off_while_requests_come(
    tmp_path: Path, keys: Path
) -> None:
    async with a_router(tmp_path, keys) as running:
        names = []
        for tenants in ((), (EVERYBODY,), ("demo/team-a",), ()):
            obey(running, ContentsPolicy(tenants, keep_days=7))
            names.append((await running.chat("sort dbca")).headers["x-tierwise-decision"])
        rows = journal(running)

    assert kept_of(rows) == [names[1]]
    assert [row["days"] for row in rows if row["kind"] == "content"] == [7]


def test_what_is_under_way_when_the_policy_changes_is_not_kept_any_more(keys: Path) -> None:
    contents, decision = Contents(str(keys)), Decision(b"d-pod-one-000001", said=[b"abcd"])
    contents.learn(ContentsPolicy((EVERYBODY,)))
    before = contents.sealed(decision)

    contents.learn(ContentsPolicy(("demo/team-a",)))

    assert before is not None
    assert contents.sealed(decision) is None


@pytest.mark.parametrize("model", ["auto", "sorter"])
async def test_it_is_kept_of_the_fields_that_are_named(
    tmp_path: Path, keys: Path, model: str
) -> None:
    async with a_router(tmp_path, keys) as running:
        kept = []
        for field in ("sorting", "arithmetic"):
            obey(running, ContentsPolicy((EVERYBODY,), (field,)))
            assert (await running.chat("sort dbca", model)).status_code == 200
            kept.append(len(kept_of(journal(running))))

    assert kept == [1, 1]


async def test_a_key_that_comes_later_is_found_and_one_that_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys"
    async with a_router(tmp_path, keys) as running:
        obey(running, ContentsPolicy((EVERYBODY,)))
        contents = running.dispatcher.contents
        contents.refresh()
        assert (await running.chat("sort dbca")).status_code == 200
        exposed = exposition(running.dispatcher)[0].decode()
        without = contents.wants("")
        keys.mkdir()
        (keys / "2026-10").write_text(secrets.token_hex(32))
        contents.refresh()

        assert (without, contents.wants("")) == (False, True)
    assert 'tierwise_router_journal_lost_records_total{reason="unsealed"} 1.0' in exposed
    assert capsys.readouterr().out.count("prompts and answers are not kept") == 1


def test_the_policy_comes_from_the_resource_and_names_that_lead_nowhere_are_told() -> None:
    named = {"tenants": ["demo/team-a"], "fields": ["sorting"], "keepDays": 7}
    policy = {
        "apiVersion": "tierwise.dev/v1alpha1", "kind": "RouterPolicy",
        "metadata": {"name": "default"}, "spec": {"contents": named},
    }  # fmt: skip

    table, problems = build_table([policy])

    assert table.policy.contents == ContentsPolicy(("demo/team-a",), ("sorting",), 7)
    assert [problem.field for problem in problems] == [
        "spec.contents.tenants[0]", "spec.contents.fields[0]",
    ]  # fmt: skip


def a_content(keys: Path, number: int, **changed: Any) -> dict[str, Any]:
    name = f"d-pod-one-{number:06x}"
    sealed = Keyring.read(keys).seal(zlib.compress(b'{"answers": {"0": "abcd"}}'), name)
    return {
        "kind": "content", "id": name, "at": NOON, "tenant": TENANT, "days": 7, "key": sealed.key,
        "nonce": b64encode(sealed.nonce).decode(), "sealed": b64encode(sealed.data).decode(),
    } | changed  # fmt: skip


def test_a_new_key_takes_over_and_the_old_one_can_go(store: Store, keys: Path) -> None:
    take(store, a_content(keys, 1))
    (keys / "2026-11").write_text(secrets.token_hex(32))
    settings = Settings(keys_dir=str(keys))

    renew_seals(store, settings, NOON)
    (keys / "2026-10").unlink()

    with store.read() as connection:
        assert read(connection, settings, ["d-pod-one-000001"])["d-pod-one-000001"]["answers"] == {
            "0": "abcd"
        }


def test_without_its_key_nothing_is_readable(store: Store, keys: Path) -> None:
    take(store, a_content(keys, 1))
    (keys / "2026-10").rename(keys / "other")

    with store.read() as connection, pytest.raises(SealError, match="sealed with key '2026-10'"):
        read(connection, Settings(keys_dir=str(keys)), ["d-pod-one-000001"])


def test_what_was_moved_to_another_decision_does_not_open(store: Store, keys: Path) -> None:
    take(store, a_content(keys, 1, id="d-pod-one-000002"))

    with store.read() as connection, pytest.raises(SealError, match="not what was sealed"):
        read(connection, Settings(keys_dir=str(keys)), ["d-pod-one-000002"])


def test_a_broken_content_spoils_no_other_row(store: Store, keys: Path) -> None:
    assert take(store, a_content(keys, 1, sealed="?"), a_decision(1)) == 1


def test_contents_expire_and_outcomes_are_kept_longer(store: Store, keys: Path) -> None:
    take(store, a_decision(1), a_content(keys, 1), a_content(keys, 2, days=0))

    forget_old(store, Settings(keep_days=90), NOON + 8 * 86400)

    assert (count(store, OUTCOMES), count(store, CONTENTS)) == (1, 1)


def test_old_outcomes_go_their_sums_stay_and_they_do_not_come_back(store: Store) -> None:
    old = [a_decision(number) for number in range(3)]
    new = a_decision(4, at=NOON + 60 * 86400)
    take(store, *old, new, a_word(1, accepted=True))

    forget_old(store, Settings(keep_days=30), NOON + 80 * 86400)
    assert take(store, *old) == 0

    assert [count(store, table) for table in (OUTCOMES, CALLS, RECORDS, FEEDBACK)] == [1, 1, 1, 0]
    with store.read() as connection:
        assert sum(connection.execute(select(OUTCOME_HOURS.c.requests)).scalars()) == 4


def test_of_many_old_rows_some_go_at_a_time_and_those_of_one_moment_together(store: Store) -> None:
    crowd = [a_decision(number, at=NOON) for number in range(1100)]
    spread = [a_decision(number, at=NOON + number / 10) for number in range(1100, 2300)]
    new = [a_decision(number, at=NOON + 5 * 86400) for number in range(2300, 2303)]
    take(store, *crowd, *spread, *new)

    forget_old(store, Settings(keep_days=1), NOON + 5 * 86400)
    assert take(store, *crowd[-5:], *spread[-5:]) == 0

    left = [count(store, table) for table in (OUTCOMES, CALLS, RECORDS)]
    assert left == [3] * 3


def test_many_contents_that_expired_all_go(store: Store, keys: Path) -> None:
    take(store, *(a_content(keys, number) for number in range(1003)), a_content(keys, 2000, days=0))

    forget_old(store, Settings(keep_days=0), NOON + 8 * 86400)

    assert count(store, CONTENTS) == 1


def test_a_tenant_is_erased_whole_and_its_bill_stays(store: Store, keys: Path) -> None:
    rows = [a_decision(1), a_content(keys, 1), a_word(1, accepted=True)]
    other = [a_decision(2, tenant="demo/team-b"), a_content(keys, 2, tenant="demo/team-b")]
    take(store, *rows, *other)
    ledger = Served(store)
    ledger.clock.now = NOON + 100

    told = ledger.client.delete(f"/v1/tenants/{TENANT}").json()
    assert told == {"tenant": TENANT, "contents": 1, "outcomes": 1}
    # A router that had it still, and sends it again, brings nothing back.
    take(store, *rows)

    assert [count(store, table) for table in (OUTCOMES, CALLS, RECORDS, CONTENTS)] == [1] * 4
    summed = ledger.client.get("/v1/summary?by=tenant&since=1970-01-01&until=2100-01-01").json()
    assert {row["tenant"]: row["requests"] for row in summed["sums"]} == {
        TENANT: 1, "demo/team-b": 1,
    }  # fmt: skip


def test_of_a_tenant_with_many_outcomes_all_go_some_at_a_time(store: Store) -> None:
    take(store, *(a_decision(number) for number in range(600)), a_decision(601, tenant="demo/b"))
    sizes: list[int] = []

    def after(_c: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.split()[:3] == ["DELETE", "FROM", OUTCOMES.name]:
            sizes.append(cursor.rowcount)

    event.listen(store.engine, "after_cursor_execute", after)

    told = erase_tenant(store, TENANT, NOON + 1000)

    assert told == {"contents": 0, "outcomes": 600}
    assert count(store, OUTCOMES) == 1
    assert (sum(sizes), max(sizes)) == (600, 250)


def test_an_erasure_that_was_cut_off_is_finished(store: Store, keys: Path) -> None:
    left = [a_decision(number) for number in range(3)]
    since = a_decision(9, at=NOON + 500)
    take(store, *left, a_content(keys, 1), since, a_content(keys, 9, at=NOON + 500))
    with store.begin() as connection:
        said = {"tenant": TENANT, "before": NOON + 100, "at": NOON + 100}
        connection.execute(insert(ERASURES), {**said, "contents": 0, "outcomes": 0})

    forget_old(store, Settings(), NOON + 600)

    assert [count(store, table) for table in (OUTCOMES, CALLS, RECORDS, CONTENTS)] == [1] * 4


def test_contents_alone_can_be_erased(store: Store, keys: Path) -> None:
    take(store, a_decision(1), a_content(keys, 1))

    Served(store).client.delete(f"/v1/tenants/{TENANT}?contents_only=true")

    assert (count(store, OUTCOMES), count(store, CONTENTS)) == (1, 0)
