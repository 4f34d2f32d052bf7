"""The append-only log of outcomes: JSON lines in files, written in batches off the path.

A dispatcher appends to a queue and goes on. Its event loop turns what is there into lines, a few
after each answer: a second thread that did it would take the interpreter away from the loop for
longer than the work itself takes. A thread writes the lines in one go. A full disk keeps them
waiting, and past a bound the oldest are dropped and counted: an answer never fails for its record.
A process that is killed loses what it had not written yet, a quarter of a second; what a torn write
leaves behind is skipped by every reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from tierwise_core.decision_record import Recordable
from tierwise_router.journal_files import oldest_first, segment_name

__all__ = ["Journal", "Row"]

log = structlog.get_logger(__name__)

FLUSH_S: Final = 0.25
WAKE_AT: Final = 512
MOST_WAITING: Final = 50_000
CHUNK: Final = 8
SEGMENTS: Final = 16
SMALLEST_SEGMENT: Final = 64 * 1024


class Row:
    """A row that is ready as it is."""

    __slots__ = ("_row",)

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def to_row(self) -> Mapping[str, Any]:
        """Give the row."""
        return self._row


class Journal:
    """Writes the outcomes of one process into a directory that others write into as well.

    Args:
        directory: where the files are; all dispatchers of a pod share it.
        process: the name of this process, as its decisions carry it.
        max_bytes: the most that all files together may take; the oldest go first.
        write: writes bytes to a file descriptor and tells how many; for tests.
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
        self.written = 0
        self._max_bytes = max_bytes
        self._segment_bytes = max(SMALLEST_SEGMENT, max_bytes // SEGMENTS)
        self._write = write
        self._waiting: deque[Recordable] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rendering = False
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

    def record(self, outcome: Recordable) -> None:
        """Take one outcome: an append, no more. It becomes a row when its answer is out."""
        self._waiting.append(outcome)
        if self._loop is not None:
            if not self._rendering:
                self._rendering = True
                self._loop.call_soon(self._render_some)
        elif len(self._waiting) >= WAKE_AT:
            self._wake.set()

    def row(self, row: Mapping[str, Any]) -> None:
        """Take a row that is ready: ``{"kind": ..., ...}`` in JSON's types."""
        self.record(Row(row))

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin to write. Outcomes become lines in ``loop``, or in the journal's own thread."""
        self._loop = loop
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
            if self._loop is None:
                self.flush()
            else:
                with self._busy:
                    self._collect()
                    self._write_lines()

    def _render_some(self) -> None:
        """Turn a few outcomes into lines, in the event loop, and the rest in its next turns."""
        for _ in range(CHUNK):
            try:
                outcome = self._waiting.popleft()
            except IndexError:
                self._rendering = False
                return
            self._rendered.append(_line(outcome))
        if self._loop is not None:
            self._loop.call_soon(self._render_some)

    def _render(self) -> None:
        """Turn all outcomes into lines, a few at a time: others want the interpreter too."""
        done = 0
        while self._waiting:
            with contextlib.suppress(IndexError):
                self._rendered.append(_line(self._waiting.popleft()))
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
        for line in batch:
            written -= len(line)
            if written < 0:
                return
            self._lines.popleft()
            self.written += 1

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            log.warning("the journal cannot be written; it tries again", error=str(error))
        self._failing = True

    def _open_segment(self) -> None:
        """Begin a new file when this one is full, or was taken away, and make room for it."""
        if self._file >= 0 and self._size < self._segment_bytes and os.fstat(self._file).st_nlink:
            return
        self._let_go()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._make_room()
        self._number += 1
        path = self.directory / segment_name(self.process, self._number)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        self._size = os.fstat(self._file).st_size

    def _make_room(self) -> None:
        # Every process may take the oldest away; the one that finds it gone is content.
        segments = oldest_first(self.directory)
        total = sum(size for _, size in segments) + self._segment_bytes
        for path, size in segments:
            if total <= self._max_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _line(outcome: Recordable) -> bytes:
    try:
        return orjson.dumps(outcome.to_row(), option=orjson.OPT_APPEND_NEWLINE)
    except Exception:
        log.exception("an outcome could not be told")
        return b""
