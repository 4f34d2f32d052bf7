"""Structured logs: every process of a pod writes lines to the one that owns standard output.

Ray's own way (a process that tails log files) costs 50 MiB and seconds. Here each process sends
its lines as datagrams to the pod's main process, which prints them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import orjson
import structlog

__all__ = ["LogCollector", "Logs"]

LONGEST_LINE_BYTES = 200 * 1024


@dataclass(frozen=True, slots=True)
class Logs:
    """How a process logs: from which level on, as JSON or for people, and to whom.

    ``collector`` is the socket of the process that prints; empty means to print here.
    """

    level: str = "info"
    pretty: bool = False
    collector: str = ""

    def configure(self) -> None:
        """Set structlog and the standard library's logging up for this process."""
        level = logging.getLevelNamesMapping().get(self.level.upper(), logging.INFO)
        out = _CollectorStream(self.collector) if self.collector else sys.stdout.buffer
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                *self._renderers(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.BytesLoggerFactory(file=out),  # type: ignore[arg-type]
            cache_logger_on_first_use=False,
        )
        handler = _ToStructlog()
        for name in ("uvicorn", "asyncio"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [handler], False
            logger.setLevel(logging.WARNING)

    def _renderers(self) -> list[structlog.typing.Processor]:
        if self.pretty:
            return [
                # Not the formatter that shows variables: keys and questions are among them.
                structlog.dev.ConsoleRenderer(
                    colors=False, exception_formatter=structlog.dev.plain_traceback
                ),
                lambda _logger, _name, line: line.encode(),  # type: ignore[attr-defined]
            ]
        return [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(serializer=_json),
        ]


def _json(value: object, **_options: object) -> bytes:
    return orjson.dumps(value, default=str)


class _ToStructlog(logging.Handler):
    """Hands what libraries log to structlog, so that there is one format."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(
            record.levelno, record.getMessage().strip(), exc_info=record.exc_info
        )


class _CollectorStream:
    """Sends each line to the collector; one that cannot be sent goes to standard error."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own interface

    def write(self, line: bytes) -> None:
        try:
            self._socket.sendto(line[:LONGEST_LINE_BYTES], self._path)
        except OSError:
            sys.stderr.buffer.write(line)

    def flush(self) -> None:
        """Nothing is kept back."""


class LogCollector:
    """Prints the lines that the pod's other processes send; a context manager."""

    def __init__(self, run_dir: Path, out: BinaryIO | None = None) -> None:
        self.path = str(run_dir / "log.sock")
        self._out = out or sys.stdout.buffer
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._thread = threading.Thread(target=self._print, name="logs", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bye:
            bye.sendto(b"", self.path)
        self._thread.join(timeout=1)
        self._socket.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)  # noqa: PTH108 - the socket's own name, as it was bound

    def _print(self) -> None:
        while line := self._socket.recv(LONGEST_LINE_BYTES):
            self._out.write(line)
            self._out.flush()
