"""What a router writes down comes to the ledger: once, whole, whatever happens on the way."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from journals import write_rows
from ledgers import NOON, Clock, Served, a_decision, a_word, count
from sqlalchemy import select

from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.outcomes import OUTCOMES
from tierwise_router.journal_room import make_room
from tierwise_router.shipping import LedgerAddress, Shipper
from tierwise_router.shipping_marks import LONGEST_LINE, Shipped, waiting_bytes
from tierwise_router.shipping_metrics import shipping_metrics

SMALL = 2000
LONG_S = 60.0


@pytest.fixture
def ledger(store: Store) -> Served:
    return Served(store)


def a_shipper(journal: Path, ledger: Served, token_file: str = "", **how: object) -> Shipper:
    address = LedgerAddress("http://ledger", token_file)
    options = {"transport": ledger.transport(), "clock": ledger.clock, **how}
    return Shipper(journal, address, **options)  # type: ignore[arg-type]


def test_what_was_written_arrives_once_however_often_it_is_shipped(
    tmp_path: Path, ledger: Served
) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(number) for number in range(50)]).parent

    for _ in range(3):
        assert a_shipper(journal, ledger, at_once=SMALL).ship()

    assert count(ledger.store, OUTCOMES) == 50
    assert Shipped.read(journal).rows == 50
    assert waiting_bytes(journal, Shipped.read(journal)) == 0


def test_a_lost_answer_makes_nothing_twice(tmp_path: Path, ledger: Served) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(number) for number in range(20)]).parent
    shipper = a_shipper(journal, ledger)

    ledger.lose_answers = True
    assert not shipper.ship()
    ledger.lose_answers = False
    assert shipper.ship()

    assert count(ledger.store, OUTCOMES) == 20
    with ledger.store.read() as connection:
        cost = sum(connection.execute(select(OUTCOMES.c.cost_nano_usd)).scalars())
    assert cost == 20 * 22_000


def test_while_the_ledger_is_away_everything_waits_and_attempts_become_rare(
    tmp_path: Path, ledger: Served
) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    shipper = a_shipper(journal, ledger)
    ledger.down = True

    waits = []
    for number in range(2, 12):
        assert not shipper.ship()
        waits.append(shipper.rest_s())
        write_rows(journal, [a_decision(number)])
    assert waits[-1] >= 15
    assert max(waits) <= 30
    assert shipper.shipped.failures == 10

    ledger.down = False
    assert shipper.ship()
    assert count(ledger.store, OUTCOMES) == 11
    assert shipper.rest_s() < 1


def test_another_process_goes_on_where_a_killed_one_stopped(tmp_path: Path, ledger: Served) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    a_shipper(journal, ledger).ship()
    write_rows(journal, [a_decision(2)])

    asked = ledger.asked
    a_shipper(journal, ledger).ship()

    assert ledger.asked == asked + 1
    assert count(ledger.store, OUTCOMES) == 2


def test_a_ledger_that_began_anew_gets_everything_that_is_still_here(
    tmp_path: Path, ledger: Served
) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(number) for number in range(9)]).parent
    a_shipper(journal, ledger, at_once=SMALL).ship()
    write_rows(journal, [a_decision(9)])
    other = Store.open(f"sqlite:///{tmp_path}/another.db")

    shipper = a_shipper(journal, Served(other), at_once=SMALL)
    while not shipper.ship():
        pass

    assert count(other, OUTCOMES) == 10
    other.close()


def test_the_token_is_shown_and_a_wrong_one_loses_nothing(tmp_path: Path, store: Store) -> None:
    ledger = Served(store, Settings(token="secret"))
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    token = tmp_path / "token"
    token.write_text("wrong\n")
    shipper = a_shipper(journal, ledger, str(token))

    assert not shipper.ship()
    token.write_text("secret\n")
    assert shipper.ship()

    assert count(store, OUTCOMES) == 1


def test_a_torn_line_is_waited_for_and_a_broken_one_passed_over(
    tmp_path: Path, ledger: Served
) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    file = next(journal.glob("journal-*"))
    with file.open("ab") as lines:
        lines.write(b'{"kind": "decision", "id"')
    shipper = a_shipper(journal, ledger)
    assert shipper.ship()
    assert count(ledger.store, OUTCOMES) == 1

    with file.open("ab") as lines:
        lines.write(b"\n")
    write_rows(journal, [a_decision(2)])
    assert shipper.ship()

    assert count(ledger.store, OUTCOMES) == 2
    assert shipper.shipped.rejected == 1


def test_a_record_beyond_every_bound_is_passed_over_and_told(
    tmp_path: Path, ledger: Served
) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    with next(journal.glob("journal-*")).open("ab") as lines:
        lines.write(b"%s\n" % (b"x" * 2 * LONGEST_LINE))
    write_rows(journal, [a_decision(2)])
    assert a_shipper(journal, ledger, at_once=LONGEST_LINE - SMALL).ship()

    assert count(ledger.store, OUTCOMES) == 2
    told = {family.name: family.samples[0].value for family in shipping_metrics(journal, {})}
    assert told["tierwise_router_ledger_skipped_bytes"] > LONGEST_LINE


def test_a_clock_that_is_wrong_is_put_right(tmp_path: Path, ledger: Served) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(0), a_word(0, accepted=True)]).parent
    ledger.clock.now = NOON + 3600
    a_shipper(journal, ledger, clock=Clock(NOON)).ship()

    with ledger.store.read() as connection:
        found = connection.execute(select(OUTCOMES)).mappings().one()
    assert (found["at"], found["skew_s"], found["feedback_at"]) == (NOON + 3600, 3600, NOON + 3600)


def test_the_way_takes_its_time_and_is_no_skew(tmp_path: Path, ledger: Served) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(0)]).parent
    ledger.clock.now = NOON + 3
    a_shipper(journal, ledger, clock=Clock(NOON)).ship()

    with ledger.store.read() as connection:
        assert connection.execute(select(OUTCOMES.c.at)).scalar_one() == NOON


def test_what_is_shipped_makes_room_first_and_what_is_not_is_counted_when_it_must_go(
    tmp_path: Path, ledger: Served
) -> None:
    rows = [a_decision(number, padding="x" * 1000) for number in range(10)]
    journal = write_rows(tmp_path / "j", rows, segment=1).parent
    ledger.down = True
    a_shipper(journal, ledger).ship()
    size = next(journal.glob("journal-*")).stat().st_size
    ledger.down = False
    write_rows(journal, rows, segment=2)
    Shipped("one", {"journal-one-000002.jsonl": size}).write(journal)

    assert make_room(journal, 2 * size, 1) == 0
    assert [path.name for path in journal.glob("journal-*")] == ["journal-one-000001.jsonl"]
    assert make_room(journal, size, 1) == 10


def test_a_pod_that_ends_ships_the_rest(tmp_path: Path, ledger: Served) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    shipper = a_shipper(journal, ledger)
    shipper.start()
    write_rows(journal, [a_decision(2)])

    assert shipper.finish(within_s=60)
    assert count(ledger.store, OUTCOMES) == 2


def test_a_pod_that_ends_waits_for_a_ledger_that_comes_back(tmp_path: Path, ledger: Served) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    ledger.down = True

    def is_gone() -> bool:
        ledger.down = False  # while somebody asks whether it is worth waiting
        return False

    assert a_shipper(journal, ledger, is_gone=is_gone).finish(LONG_S, gone_after_s=0.0)
    assert count(ledger.store, OUTCOMES) == 1


def test_a_pod_that_ends_does_not_wait_for_a_ledger_that_was_removed(
    tmp_path: Path, ledger: Served
) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    ledger.down = True

    def is_gone() -> bool:
        ledger.down = False  # whoever asks on would find it
        return True

    assert not a_shipper(journal, ledger, is_gone=is_gone).finish(LONG_S, gone_after_s=0.0)


def test_a_ledger_is_gone_when_its_host_is_and_not_when_nobody_can_tell() -> None:
    name = "no-such-ledger.invalid"
    with pytest.raises(socket.gaierror) as unknown:
        socket.getaddrinfo(name, None)
    nobody_tells = unknown.value.errno == socket.EAI_AGAIN  # a machine without name servers

    assert LedgerAddress(f"http://{name}:8090").is_gone() is not nobody_tells
    assert not LedgerAddress("http://localhost:1").is_gone()


def test_a_proxy_that_answers_for_a_lost_ledger_is_no_ledger(tmp_path: Path) -> None:
    journal = write_rows(tmp_path / "j", [a_decision(1)]).parent
    refuses = httpx.MockTransport(lambda _: httpx.Response(502, text="bad gateway"))
    shipper = Shipper(journal, LedgerAddress("http://ledger"), transport=refuses)

    assert not shipper.ship()
    assert waiting_bytes(journal, shipper.shipped) > 0
