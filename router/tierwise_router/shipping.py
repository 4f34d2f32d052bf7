"""Ships a pod's journal to the ledger: in batches, from a thread, and never in anybody's way.

The dispatchers write files; this reads them, sends what is new as gzipped JSON lines, and moves
its marks only when the ledger has taken them. What is sent twice, because an answer was lost or a
process was killed, the ledger knows already. While the ledger is away nothing is lost as long as
the files have room, and nobody waits for it but this thread.
"""

from __future__ import annotations

import gzip
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import structlog

from tierwise_router.journal_files import oldest_first
from tierwise_router.shipping_marks import Piece, Shipped, pieces

__all__ = ["LedgerAddress", "Shipper"]

log = structlog.get_logger(__name__)

RECORDS: Final = "/v1/records"
CLOCK: Final = "x-tierwise-clock"
LEDGER: Final = "x-tierwise-ledger"
AT_ONCE: Final = 1024 * 1024
REST_S: Final = 0.5
SHORTEST_S: Final = 0.5
LONGEST_S: Final = 30.0
TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
FASTEST: Final = 1
GONE_AFTER_S: Final = 5.0
NO_SUCH_HOST: Final = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class LedgerAddress:
    """Where the ledger is, and the file with the token that it asks for; empty for none."""

    url: str
    token_file: str = ""

    def is_gone(self) -> bool:
        """Tell whether there is no such host any more: its Service was removed.

        >>> LedgerAddress("http://127.0.0.1:8090").is_gone()
        False
        """
        try:
            socket.getaddrinfo(httpx.URL(self.url).host, None)
        except socket.gaierror as error:
            return error.errno in NO_SUCH_HOST
        return False

    def headers(self) -> dict[str, str]:
        """Make the header that lets us in; the token is read anew each time, it may change.

        Raises OSError when its file cannot be read.
        """
        if not self.token_file:
            return {}
        return {"authorization": f"Bearer {Path(self.token_file).read_text().strip()}"}


class Shipper:
    """Sends what comes to a journal's directory to a ledger.

    Args:
        directory: the journal's.
        address: the ledger's.
        transport: what carries the requests; for tests.
        clock: seconds since the epoch.
        at_once: about how many bytes go in one request, before they are compressed.
        is_gone: whether there is no ledger to wait for; by default asks for the address's host.
    """

    def __init__(  # noqa: PLR0913 - its parts, and what tests put in their place
        self,
        directory: Path,
        address: LedgerAddress,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        at_once: int = AT_ONCE,
        is_gone: Callable[[], bool] | None = None,
    ) -> None:
        self.shipped = Shipped.read(directory)
        self._directory = directory
        self._address = address
        self._http = httpx.Client(base_url=address.url, timeout=TIMEOUT, transport=transport)
        self._clock = clock
        self._at_once = at_once
        self._is_gone = is_gone or address.is_gone
        self._failing = 0
        self._anew = False
        self._ended = threading.Event()
        self._one = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to ship, in a thread."""
        self._thread = threading.Thread(target=self._run, name="shipping", daemon=True)
        self._thread.start()

    def finish(self, within_s: float, gone_after_s: float = GONE_AFTER_S) -> bool:
        """End, after one more look at what there is; tells whether all of it was shipped.

        A ledger that is away is waited for, but one whose host is gone no longer than
        ``gone_after_s``: what is uninstalled does not come back.
        """
        self._ended.set()
        began_at = time.monotonic()
        if self._thread is not None:
            self._thread.join(within_s)
        while not (done := self.ship()):
            waited_s = time.monotonic() - began_at
            if waited_s >= within_s or (waited_s >= gone_after_s and self._is_gone()):
                break
            time.sleep(min(REST_S, within_s - waited_s))
        return done

    def close(self) -> None:
        """Let go of the connections."""
        self._ended.set()
        self._http.close()

    def ship(self) -> bool:
        """Send all that is new; tells whether that worked. What did not is sent the next time."""
        with self._one:
            self._anew = False
            self.shipped.forget_all_but({path.name for path, _ in oldest_first(self._directory)})
            for piece in pieces(self._directory, dict(self.shipped.bytes_read), self._at_once):
                if not self._send(piece) or self._anew:
                    return False
            return True

    def rest_s(self) -> float:
        """Tell how long to wait before the next look: longer and longer while nothing works."""
        if not self._failing:
            return REST_S
        limit_s = min(LONGEST_S, SHORTEST_S * 2.0 ** min(self._failing, 10))
        # Pods that lost the ledger together do not come back together.
        return limit_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def _run(self) -> None:
        while not self._ended.wait(self.rest_s()):
            try:
                self.ship()
            except Exception:  # nobody starts this thread again, and all outcomes leave through it
                self._failing += 1
                log.exception("shipping failed; it goes on")

    def _send(self, piece: Piece) -> bool:
        try:
            answer = self._post(piece.data) if piece.data else None
            if answer is not None and not answer.is_success:
                raise httpx.HTTPStatusError(
                    _refusal(answer), request=answer.request, response=answer
                )
        except (httpx.HTTPError, OSError) as error:
            self._fail(error)
            return False
        self._took(piece, answer)
        return True

    def _post(self, data: bytes) -> httpx.Response:
        return self._http.post(
            RECORDS,
            content=gzip.compress(data, FASTEST),
            headers={
                **self._address.headers(),
                "content-type": "application/x-ndjson",
                "content-encoding": "gzip",
                CLOCK: f"{self._clock():.3f}",
            },
        )

    def _took(self, piece: Piece, answer: httpx.Response | None) -> None:
        shipped = self.shipped
        if self._failing:
            log.info("the ledger is back", attempts=self._failing)
        self._failing = 0
        before = shipped.bytes_read.get(piece.file, 0)
        shipped.bytes_read[piece.file] = piece.end
        if answer is None:
            shipped.skipped_bytes += piece.end - before
        else:
            self._count(answer)
            self._meet(answer.headers.get(LEDGER, ""))
        shipped.at = self._clock()
        try:
            shipped.write(self._directory)
        except OSError as error:
            # A full disk: after a restart the same is sent again, and is known there.
            log.warning("the marks of what was shipped cannot be written", error=str(error))

    def _count(self, answer: httpx.Response) -> None:
        told = _told(answer)
        rejected = int(told.get("rejected") or 0)
        self.shipped.rows += int(told.get("new") or 0) + int(told.get("known") or 0)
        self.shipped.rejected += rejected
        if rejected:
            log.warning(
                "the ledger refused rows", count=rejected, reasons=told.get("reasons", [])[:3]
            )

    def _meet(self, ledger: str) -> None:
        """Begin anew with a ledger that is another: it has none of what its predecessor took."""
        if not ledger or ledger == self.shipped.ledger:
            return
        if self.shipped.ledger:
            log.warning("the ledger began anew; it gets all that is still here", ledger=ledger)
            self.shipped.bytes_read.clear()
            self._anew = True
        self.shipped.ledger = ledger

    def _fail(self, error: Exception) -> None:
        self.shipped.failures += 1
        self._failing += 1
        if self._failing == 1:
            log.warning(
                "the ledger does not take outcomes; they wait here", url=self._address.url,
                error=str(error) or type(error).__name__,
            )  # fmt: skip


def _told(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _refusal(answer: httpx.Response) -> str:
    error = _told(answer).get("error")
    said = error.get("message") if isinstance(error, dict) else answer.text
    return f"status {answer.status_code}: {str(said)[:SHOWN]}"
