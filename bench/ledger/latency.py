"""What recording costs a router: one dispatcher, with its journal shipped and not, in turns."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "_support"
CLIENTS = 4
PAIRS, TURN = 12, 8
RANKS = (2, 9)
"""A turn takes an eighth of the seconds. Of twelve pairs the median lies between the third least
and the third largest: 96 % sure."""
REST_S = 0.02
LEDGER = "http://127.0.0.1:18094"
BODY = b'{"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}]}'
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def latency(out: Console, folder: Path, seconds: float) -> None:
    """Ask in turns of a few seconds, every other one with a shipper at work; print both."""
    journal = folder / "journal"
    with (
        subprocess.Popen(
            [sys.executable, str(SUPPORT / "recording_router.py"), str(journal), str(1 << 28)],
            stdout=subprocess.PIPE, text=True,
        ) as router,
        subprocess.Popen(
            [sys.executable, "-m", "tierwise_ledger"],
            stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            env=os.environ | {
                "TIERWISE_LEDGER_DATABASE": f"sqlite:///{folder}/beside.db",
                "TIERWISE_LEDGER_HOST": "127.0.0.1", "TIERWISE_LEDGER_PORT": "18094",
            },
        ) as ledger,
    ):  # fmt: skip
        try:
            assert router.stdout is not None  # noqa: S101 - it was asked for
            _measure(out, router.stdout.readline().strip(), journal, seconds / TURN)
        finally:
            router.kill()
            ledger.terminate()


def _measure(out: Console, url: str, journal: Path, turn_s: float) -> None:
    turns: dict[bool, list[list[float]]] = {True: [], False: []}
    asyncio.run(_ask(url, turn_s))
    with out.status("asking ..."):
        for pair in range(PAIRS):
            for shipped in (pair % 2 == 1, pair % 2 == 0):
                with _shipping(journal) if shipped else nullcontext():
                    turns[shipped].append(sorted(asyncio.run(_ask(url, turn_s))))
    for shipped, some in turns.items():
        times = sorted(one for turn in some for one in turn)
        word = "shipping" if shipped else "not shipping"
        out.print(
            f"  router, {word}: p50 {_ms(times, 0.5):.3f} ms, p99 {_ms(times, 0.99):.3f} ms "
            f"({len(times):,} answers, {CLIENTS} clients)"
        )
    for share in (0.5, 0.99):
        more = sorted(
            _ms(with_it, share) - _ms(without, share)
            for with_it, without in zip(turns[True], turns[False], strict=True)
        )
        middle = (more[PAIRS // 2 - 1] + more[PAIRS // 2]) / 2
        out.print(
            f"  p{100 * share:.0f} with shipping minus that without, {PAIRS} pairs of turns: "
            f"{middle:+.3f} ms (96 %: {more[RANKS[0]]:+.3f} to {more[RANKS[1]]:+.3f})"
        )


def _ms(times: Sequence[float], share: float) -> float:
    return 1000 * times[int(len(times) * share)]


@contextmanager
def _shipping(journal: Path) -> Iterator[None]:
    command = [sys.executable, str(Path(__file__).with_name("ship.py")), str(journal), LEDGER]
    with subprocess.Popen(command) as shipper:
        try:
            yield
        finally:
            shipper.terminate()


async def _ask(url: str, seconds: float) -> list[float]:
    """Ask over a few connections, with a rest after each answer; gives how long each took.

    No HTTP library: with httpx the p50 was 5 ms, and 2 ms without.
    """
    until, took = time.monotonic() + seconds, []
    host, _, port = url.removeprefix("http://").partition(":")

    async def ask_on() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.monotonic() < until:
            began_at = time.perf_counter()
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(head.decode())
            found = LENGTH.search(head)
            await reader.readexactly(int(found[1]) if found else 0)
            took.append(time.perf_counter() - began_at)
            # Latency, and not throughput, is asked for: nobody waits for a processor.
            await asyncio.sleep(REST_S)
        writer.close()

    await asyncio.gather(*(ask_on() for _ in range(CLIENTS)))
    return took
