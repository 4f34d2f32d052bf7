"""Sends spans by OTLP/HTTP from a thread: a request pays for putting its trace into a line."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from tierwise_router.decision import Decision
from tierwise_router.settings import SettingsError
from tierwise_router.tracing.context import Trace
from tierwise_router.tracing.spans import Told, told_of

__all__ = ["Exporter", "Finished", "SpanSink", "otlp_sink"]

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 4096
EVERY_S: Final = 1.0
AT_ONCE: Final = 256
LONGEST_S: Final = 10.0
SERVICE: Final = "tierwise-router"
TRACES_PATH: Final = "/v1/traces"


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that has ended, with everything that its spans are made of."""

    trace: Trace
    decision: Decision
    path: str
    status: int
    ended_ns: int

    def spans(self) -> Iterable[Told]:
        """Make its spans."""
        return told_of(self.trace, self.decision, self.path, self.status, self.ended_ns)


class SpanSink(Protocol):
    """Takes spans out of the process; runs in the exporter's thread, and may block."""

    def send(self, spans: Sequence[Told]) -> bool:
        """Send spans; tells whether they arrived."""

    def close(self) -> None:
        """Send nothing more."""


@dataclass(slots=True)
class Exporter:
    """The line of finished requests, and the thread that works it off.

    Beyond 4,096 the oldest are dropped and counted: a collector that is away costs traces, never an
    answer. ``counts`` are spans by outcome: sent, failed or dropped (requests, for these).
    """

    sink: SpanSink
    counts: dict[str, int]
    _line: deque[Finished] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    _wake: threading.Event = field(default_factory=threading.Event)
    _ending: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def put(self, finished: Finished) -> None:
        """Put a request into the line."""
        line = self._line
        if len(line) == MOST_WAITING:
            self.counts["dropped"] += 1
        line.append(finished)
        if len(line) == AT_ONCE:
            self._wake.set()

    def close(self, within_s: float = LONGEST_S) -> None:
        """Send what is left, and end; waits so long at most."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(within_s)

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            self._send_all()
        self._send_all()
        self.sink.close()

    def _send_all(self) -> None:
        while self._line:
            some = [self._line.popleft() for _ in range(min(AT_ONCE, len(self._line)))]
            self._send([span for finished in some for span in finished.spans()])

    def _send(self, spans: Sequence[Told]) -> None:
        try:
            arrived = self.sink.send(spans)
        except Exception as error:  # noqa: BLE001 - the thread must go on, whatever a collector does
            log.warning("traces could not be sent", error=str(error))
            arrived = False
        self.counts["sent" if arrived else "failed"] += len(spans)


def otlp_sink(endpoint: str, instance: str) -> SpanSink:
    """Make the sink that posts protobuf to a collector; raises SettingsError without the library.

    ``endpoint`` is the collector's base address (``http://collector:4318``), or has a path of its
    own. What else OpenTelemetry's environment says of it (headers, certificates, time-out,
    compression) holds.
    """
    try:
        from tierwise_router.tracing.otlp import OtlpSink  # noqa: PLC0415 - an extra
    except ImportError:
        raise SettingsError(
            f"TIERWISE_OTLP_ENDPOINT is {endpoint!r}, and OpenTelemetry is not installed; install "
            "tierwise[tracing], or leave it empty"
        ) from None
    address = endpoint if urlsplit(endpoint).path.strip("/") else endpoint + TRACES_PATH
    return OtlpSink(address, SERVICE, instance, version("tierwise"))
