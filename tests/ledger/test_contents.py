"""Prompts and answers: sealed on the way, opened for whom they concern, and gone in time."""

from __future__ import annotations

import secrets
import zlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dispatchers import Running, route
from instant_engine import instant_engine
from ledgers import NOON, Served, a_decision, a_word, count
from sqlalchemy import select

from tierwise_ledger.contents import read, renew_seals
from tierwise_ledger.erasing import forget_old
from tierwise_ledger.errors import SealError
from tierwise_ledger.ingest import ingest
from tierwise_ledger.sealing import Keyring
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.contents import CONTENTS
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOME_HOURS, OUTCOMES, RECORDS
from tierwise_router.contents import find_contents
from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail
from tierwise_router.settings import Settings as RouterSettings

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


async def asked(tmp_path: Path, keys: Path, text: str, **how: Any) -> list[dict[str, Any]]:
    """Ask a router that keeps contents; give the rows of its journal."""
    async with instant_engine() as url:
        running = await Running.start(route("sorter", url))
        journal = Journal(tmp_path / "journal", running.dispatcher.ids.process, 1 << 26)
        journal.start(in_turn=True)
        running.dispatcher.journal = journal
        running.dispatcher.contents = find_contents(
            RouterSettings(keys_dir=str(keys), contents_tenants="*", contents_days=7)
        )
        assert (await running.chat(text, **how)).status_code == 200
        journal.close()
        await running.stop()
    return list(tail(tmp_path / "journal", Marks()))


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


async def test_nothing_is_kept_where_nothing_is_configured(tmp_path: Path, keys: Path) -> None:
    assert find_contents(RouterSettings(keys_dir=str(keys))) is None
    assert find_contents(RouterSettings(contents_tenants="*")) is None
    chosen = find_contents(RouterSettings(keys_dir=str(keys), contents_tenants="demo/a, demo/b"))
    assert chosen is not None
    assert [chosen.wants(name) for name in ("demo/a", "demo/b", "demo/c", "")] == [
        True, True, False, False,
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


def test_contents_alone_can_be_erased(store: Store, keys: Path) -> None:
    take(store, a_decision(1), a_content(keys, 1))

    Served(store).client.delete(f"/v1/tenants/{TENANT}?contents_only=true")

    assert (count(store, OUTCOMES), count(store, CONTENTS)) == (1, 0)
