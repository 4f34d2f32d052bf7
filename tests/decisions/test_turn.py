"""What ends in one turn of the event loop is written by one call, and answered after it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tierwise_core.decision_record import Recordable
from tierwise_router.exchange import Exchange
from tierwise_router.http1.server import Server
from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail
from tierwise_router.journal_lines import Row
from tierwise_router.journal_turn import MOST, Turn

GET = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nhost: x\r\n\r\n"


class Written:
    """What was written by which call, and what was said by then."""

    def __init__(self) -> None:
        self.calls: list[list[Recordable]] = []
        self.answered: list[int] = []
        self.turn = Turn(self._write)

    def _write(self, *outcomes: Recordable) -> None:
        self.calls.append(list(outcomes))
        assert not set(self.numbers[-1]) & set(self.answered)

    @property
    def numbers(self) -> list[list[int]]:
        return [[one.to_row()["number"] for one in call] for call in self.calls]

    def record(self, number: int) -> None:
        self.turn.record(Row({"number": number}))
        self.turn.then(lambda: self.answered.append(number))


async def test_a_turn_is_written_by_one_call_and_answered_after_it() -> None:
    written = Written()
    for number in range(3):
        written.record(number)
    assert (written.calls, written.answered) == ([], [])

    await asyncio.sleep(0)
    written.record(3)
    await asyncio.sleep(0)

    assert written.numbers == [[0, 1, 2], [3]]
    assert written.answered == [0, 1, 2, 3]


async def test_a_long_turn_is_written_before_its_end() -> None:
    written = Written()
    for number in range(MOST + 1):
        written.record(number)

    assert written.answered == list(range(MOST))
    await asyncio.sleep(0)
    assert written.answered == list(range(MOST + 1))


async def test_an_answer_that_fails_and_a_log_that_does_hold_nobody_up() -> None:
    def fail(*_: Recordable) -> None:
        raise OSError("the disk is gone")

    answered: list[int] = []
    turn = Turn(fail)
    turn.record(Row({}))
    turn.then(fail)
    turn.then(lambda: answered.append(1))

    with pytest.raises(OSError, match="disk is gone"):
        turn.end()
    assert answered == [1]


class Wire(asyncio.Transport):
    """The server's end of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def get_write_buffer_size(self) -> int:
        return 0


class Router:
    """A server whose answers say their path, and are written down before they end."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.sent_before: list[list[bytes]] = []
        self.calls: list[int] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.turn = Turn(self._write)
        self.server = Server(self._answer, 30.0)

    def _write(self, *outcomes: Recordable) -> None:
        self.calls.append(len(outcomes))
        self.sent_before.append([wire.sent for wire in self.wires])
        self.meanwhile()

    async def _answer(self, exchange: Exchange) -> None:
        def note() -> Turn:
            self.turn.record(Row({}))
            return self.turn

        exchange.before_end = note
        path = exchange.path.encode()
        if exchange.method == "GET":
            await exchange.whole(200, [], path)
        else:
            await exchange.start(200, [])
            await exchange.piece(b"begun")
            await exchange.piece(path, more=False)

    def connect(self, data: bytes) -> Any:
        wire, connection = Wire(), self.server.connect()
        self.wires.append(wire)
        connection.connection_made(wire)
        connection.data_received(data)
        return connection

    async def turns(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    router = Router()
    yield router
    await router.server.drain(0)


async def test_answers_of_one_turn_wait_for_their_common_write(router: Router) -> None:
    for number in range(3):
        router.connect(GET % number)
    await router.turns()

    assert router.calls == [3]
    assert router.sent_before == [[b"", b"", b""]]
    for number, wire in enumerate(router.wires):
        assert wire.sent.startswith(b"HTTP/1.1 200 ")
        assert wire.sent.endswith(b"\r\n\r\n/%d" % number)


async def test_of_a_stream_only_the_end_waits(router: Router) -> None:
    router.connect(POST % 7)
    await router.turns()

    assert router.calls == [1]
    assert router.sent_before[0][0].endswith(b"5\r\nbegun\r\n")
    assert router.wires[0].sent.endswith(b"5\r\nbegun\r\n2\r\n/7\r\n0\r\n\r\n")


async def test_the_next_request_of_a_connection_waits_behind_the_answer(router: Router) -> None:
    router.connect(GET % 1 + GET % 2 + GET % 3)
    await router.turns()
    await router.turns()

    assert router.calls == [1, 1, 1]
    assert [part[-2:] for part in router.wires[0].sent.split(b"HTTP/1.1 200 ")[1:]] == [
        b"/1", b"/2", b"/3",
    ]  # fmt: skip


async def test_a_client_that_hangs_up_meanwhile_disturbs_nobody(router: Router) -> None:
    gone = router.connect(GET % 1)
    router.connect(GET % 2)
    router.meanwhile = lambda: gone.connection_lost(None)
    await router.turns()

    assert router.calls == [2]
    assert router.wires[0].sent == b""
    assert router.wires[1].sent.endswith(b"/2")


async def test_a_drain_that_begins_meanwhile_closes_behind_the_answer(router: Router) -> None:
    connection = router.connect(GET % 1)

    def drain() -> None:
        router.server.draining = True
        connection.drain()

    router.meanwhile = drain
    await router.turns()

    assert router.wires[0].sent.endswith(b"/1")
    assert router.wires[0].closed


def test_lines_that_are_written_together_are_cut_and_written_again(tmp_path: Path) -> None:
    room = [100]

    def write(file: int, data: bytes) -> int:
        written = os.write(file, data[: room[0]])
        room[0] = 1 << 30
        return written

    journal = Journal(tmp_path, "aa", 1 << 30, write)
    journal.start(in_turn=True)
    rows = [Row({"kind": "decision", "id": f"d-pod-aa-{number:06x}"}) for number in range(6)]
    journal.record(*rows)
    journal.close()

    assert [row["id"] for row in tail(tmp_path, Marks())] == [row.to_row()["id"] for row in rows]
    assert journal.written == 6


def test_what_cannot_be_told_spoils_none_of_its_turn(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "aa", 1 << 30)
    journal.start(in_turn=True)
    journal.record(Row({"id": object()}), Row({"id": "d-pod-aa-000002"}))

    assert [row["id"] for row in tail(tmp_path, Marks())] == ["d-pod-aa-000002"]
    journal.close()
