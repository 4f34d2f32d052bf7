"""A pod that ended while the ledger was away: another one ships what it left on the volume."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journals import write_rows
from ledgers import Served, a_decision, count

from tierwise_ledger.store import Store
from tierwise_ledger.tables.outcomes import OUTCOMES
from tierwise_router.shipping import LedgerAddress, Shipper
from tierwise_router.shipping_marks import Shipped
from tierwise_router.spool import Heir, own_folder


@pytest.fixture
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
    yield Served(store)
    store.close()


def shipping_to(ledger: Served) -> Callable[[Path], Shipper]:
    return lambda folder: Shipper(
        folder, LedgerAddress("http://ledger"), transport=ledger.transport()
    )


def gone(volume: Path, pod: str, *numbers: int) -> Path:
    """A pod that wrote decisions, shipped none of them, and is no more."""
    with own_folder(volume, pod) as folder:
        write_rows(folder, [a_decision(number) for number in numbers])
    return folder


def test_an_heir_ships_what_a_pod_left_once_the_ledger_is_back(
    tmp_path: Path, ledger: Served
) -> None:
    left = gone(tmp_path, "router-a", 1, 2)
    ledger.down = True
    with own_folder(tmp_path, "router-b") as own:
        heir = Heir(own, shipping_to(ledger))
        while_away = heir.settle(), left.exists()
        ledger.down = False
        afterwards = heir.settle(), left.exists()
        assert own.exists()

    assert (while_away, afterwards) == ((0, True), (1, False))
    assert count(ledger.store, OUTCOMES) == 2


def test_what_was_shipped_before_is_not_sent_again(tmp_path: Path, ledger: Served) -> None:
    left = gone(tmp_path, "router-a", 1, 2)
    shipping_to(ledger)(left).ship()
    before = ledger.asked
    with own_folder(tmp_path, "router-b") as own:
        assert Heir(own, shipping_to(ledger)).settle() == 1

    assert ledger.asked == before


def test_nobody_inherits_from_the_living(tmp_path: Path, ledger: Served) -> None:
    with own_folder(tmp_path, "router-a") as living, own_folder(tmp_path, "router-b") as own:
        write_rows(living, [a_decision(1)])

        assert Heir(own, shipping_to(ledger)).settle() == 0
        assert living.exists()
    assert count(ledger.store, OUTCOMES) == 0


def test_a_pod_that_comes_back_goes_on_where_it_was(tmp_path: Path, ledger: Served) -> None:
    left = gone(tmp_path, "router-a", 1)
    shipping_to(ledger)(left).ship()

    with own_folder(tmp_path, "router-a") as own:
        assert own == left
        assert Shipped.read(own).rows == 1


def test_two_of_one_name_keep_apart(tmp_path: Path) -> None:
    with own_folder(tmp_path, "laptop") as one, own_folder(tmp_path, "laptop") as other:
        assert (one.name, other.name) == ("laptop", "laptop.2")


HOLD = """
import sys
from pathlib import Path
from tierwise_router.spool import own_folder
with own_folder(Path(sys.argv[1]), "router-a"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_pod_that_is_killed_leaves_its_folder_to_others(tmp_path: Path, ledger: Served) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as pod:
        assert pod.stdout is not None
        assert pod.stdout.readline() == "held\n"
        write_rows(tmp_path / "router-a", [a_decision(1)])
        with own_folder(tmp_path, "router-b") as own:
            heir = Heir(own, shipping_to(ledger))
            alive = heir.settle()
            pod.kill()
            pod.wait()

            assert (alive, heir.settle()) == (0, 1)
    assert count(ledger.store, OUTCOMES) == 1


def test_one_folder_that_cannot_be_settled_stops_no_other(tmp_path: Path, ledger: Served) -> None:
    bad, good = gone(tmp_path, "router-a", 1), gone(tmp_path, "router-c", 2)
    ship = shipping_to(ledger)

    def shipper(folder: Path) -> Shipper:
        if folder == bad:
            raise OSError(errno.EIO, "input/output error")
        return ship(folder)

    with own_folder(tmp_path, "router-b") as own:
        assert Heir(own, shipper).settle() == 1
    assert (bad.exists(), good.exists()) == (True, False)
