"""The append-only log of outcomes: JSON lines in files, each written before its answer ends.

In a dispatcher an outcome becomes a line, and the line is in the kernel's hands, before the
answer's last bytes are written to its client: a process that is killed loses nothing that was
answered. That is one short write to the page cache, which waits for no disk; what ends in one
:class:`~tierwise_router.journal_turn.Turn` of the event loop shares it. Where it cannot be so, the
lines wait for a thread: while the disk is full or slow, and while a file is being changed for the
next. Past a bound the oldest that wait are dropped and counted: an answer never fails for its
record, and waits for none. What a torn write leaves behind is skipped by every reader.

Without an event loop (tools, tests) the thread makes and writes the lines, every quarter of a
second.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from tierwise_core.decision_record import Recordable
from tierwise_router.journal_disk import DiskWatch, waits
from tierwise_router.journal_files import segment_name
from tierwise_router.journal_lines import Row, line_of, whole_lines
from tierwise_router.journal_room import make_room
from tierwise_router.journal_turn import Turn

__all__ = ["Journal"]

log = structlog.get_logger(__name__)

FLUSH_S: Final = 0.25
WAKE_AT: Final = 512
MOST_WAITING: Final = 50_000
CHUNK: Final = 8
NEXT_FROM: Final = 0.75
LONGEST: Final = 8
SEGMENTS: Final = 16
SMALLEST_SEGMENT: Final = 64 * 1024


class Journal:
    """Writes the outcomes of one process into a directory that others write into as well.

    Args:
        directory: where the files are; all dispatchers of a pod share it.
        process: the name of this process, as its decisions carry it.
        max_bytes: the most that all files together may take; what is shipped goes first, then the
            oldest.
        write: writes bytes to a file descriptor and tells how many; for tests.

    ``turn`` takes what is to be written before an answer ends.
    """

    def __init__(
        self,
        directory: Path,
        process: str,
        max_bytes: int,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.directory = directory
        self.process = process
        self.dropped = 0
        self.unshipped = 0
        self.written = 0
        self.turn = Turn(self.record)
        self._max_bytes = max_bytes
        self._segment_bytes = max(SMALLEST_SEGMENT, max_bytes // SEGMENTS)
        self._write = write
        self._waiting: deque[Recordable] = deque()
        self._in_turn = False
        self._disk = DiskWatch()
        self._next = -1
        self._rendered: deque[bytes] = deque()
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._busy = threading.Lock()
        self._ended = False
        self._file = -1
        self._size = 0
        self._number = 0
        self._torn = False
        self._failing = False
        self._thread: threading.Thread | None = None

    def record(self, *outcomes: Recordable) -> None:
        """Take outcomes; in a dispatcher they are written when this returns, if the disk lets us.

        Several are written by one call, in their order.
        """
        if not self._in_turn:
            self._waiting.extend(outcomes)
            if len(self._waiting) >= WAKE_AT:
                self._wake.set()
            return
        lines = [line for outcome in outcomes if (line := line_of(outcome))]
        if (done := self._append(lines)) < len(lines):
            self._rendered.extend(lines[done:])
            self._wake.set()

    def row(self, row: Mapping[str, Any]) -> None:
        """Take a row that is ready: ``{"kind": ..., ...}`` in JSON's types."""
        self.record(Row(row))

    def start(self, *, in_turn: bool = False) -> None:
        """Begin to write: each outcome at once, ``in_turn``, or all by the journal's own thread."""
        self._in_turn = in_turn
        if in_turn:
            with contextlib.suppress(OSError):
                self._open_segment()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits and end."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()
        with self._busy:
            self._let_go()

    def flush(self) -> None:
        """Write everything that was recorded before this call; from any thread."""
        with self._busy:
            self._render()
            self._collect()
            self._write_lines()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            if not self._in_turn:
                self.flush()
            elif self._rendered or self._lines:
                with self._busy:
                    self._collect()
                    self._write_lines()
            if self._in_turn:
                self._prepare_next()

    def _append(self, lines: Sequence[bytes]) -> int:
        """Write lines now; tells how many that was possible for without waiting for anything."""
        now = time.monotonic()
        if self._lines or self._rendered or self._disk.is_slow(now):
            return 0
        if not self._busy.acquire(False):  # noqa: FBT003 - on the hot path
            return 0
        try:
            return self._append_held(lines, now)
        except OSError as error:
            self._fail(error)
            return 0
        finally:
            self._busy.release()

    def _append_held(self, lines: Sequence[bytes], began_at: float) -> int:
        if self._torn or self._file < 0 or not os.fstat(self._file).st_nlink:
            return 0
        full = self._size >= self._segment_bytes and not self._take_next()
        if full and self._size >= LONGEST * self._segment_bytes:
            return 0  # else the thread is late with the next file: this one grows a little
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        counted = waits() if self._disk.wary else -1
        written = self._write(self._file, data)
        self._disk.note(began_at, time.monotonic(), waited=counted < 0 or waits() > counted)
        self._size += written
        self._torn = written < len(data)
        done = whole_lines(lines, written) if self._torn else len(lines)
        self.written += done
        if self._next < 0 and self._size > NEXT_FROM * self._segment_bytes:
            self._wake.set()
        return done

    def _prepare_next(self) -> None:
        """Have the next file ready before this one is full: making one can take its time."""
        if self._next < 0 and self._size > NEXT_FROM * self._segment_bytes:
            with contextlib.suppress(OSError):
                self._next = self._new_segment()

    def _take_next(self) -> bool:
        if self._next < 0:
            return False
        os.close(self._file)
        self._file, self._size, self._next = self._next, 0, -1
        return True

    def _render(self) -> None:
        """Turn all outcomes into lines, a few at a time: others want the interpreter too."""
        done = 0
        while self._waiting:
            with contextlib.suppress(IndexError):
                self._rendered.append(line_of(self._waiting.popleft()))
            done += 1
            if done % CHUNK == 0:
                time.sleep(0)

    def _collect(self) -> None:
        """Take what has become lines, and drop the oldest beyond the bound."""
        lines, rendered = self._lines, self._rendered
        while rendered:
            lines.append(rendered.popleft())
        while len(lines) > MOST_WAITING:
            lines.popleft()
            self.dropped += 1

    def _write_lines(self) -> None:
        while self._lines:
            batch = list(self._batch())
            data = b"".join(batch)
            try:
                self._open_segment()
                written = self._write(self._file, b"\n" + data if self._torn else data)
            except OSError as error:
                self._fail(error)
                return
            if written < len(data) + self._torn:
                # Of the line that was cut the whole comes again, after an end of line.
                self._took(batch, written - self._torn)
                self._torn = True
                self._fail(OSError("the disk took a part only"))
                return
            self._took(batch, written)
            self._torn = self._failing = False

    def _batch(self) -> Iterator[bytes]:
        size = 0
        for line in self._lines:
            size += len(line)
            if size > self._segment_bytes and size > len(line):
                return
            yield line

    def _took(self, batch: list[bytes], written: int) -> None:
        """Let go of the lines that are written as a whole."""
        self._size += written
        done = whole_lines(batch, written)
        self.written += done
        for _ in range(done):
            self._lines.popleft()

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            log.warning("the journal cannot be written; it tries again", error=str(error))
        self._failing = True

    def _open_segment(self) -> None:
        """Begin a new file when this one is full, or was taken away, and make room for it."""
        if self._file >= 0 and self._size < self._segment_bytes and os.fstat(self._file).st_nlink:
            return
        if self._file >= 0 and self._take_next():
            return
        self._let_go()
        self._file = self._new_segment()
        self._size = os.fstat(self._file).st_size

    def _new_segment(self) -> int:
        self.directory.mkdir(parents=True, exist_ok=True)
        lost = make_room(self.directory, self._max_bytes, self._segment_bytes)
        if lost:
            log.warning("outcomes were dropped that the ledger does not have", count=lost)
        self.unshipped += lost
        self._number += 1
        path = self.directory / segment_name(self.process, self._number)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def _let_go(self) -> None:
        for descriptor in (self._file, self._next):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._next = -1
