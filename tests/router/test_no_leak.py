"""Twenty thousand requests, no two alike and many of them bad, leave no more than a few did."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
from collections.abc import Iterator

import uvloop
from dispatchers import Running, general, route, until
from instant_engine import instant_engine
from raw_http import get, nothing_is_left, posted

WARM, MORE = 4_000, 16_000
CONNECTIONS = 16
# Bounded caches may still fill; one string kept for every second request would not fit into this.
MOST_BLOCKS_PER_REQUEST = 0.5


def requests() -> Iterator[bytes]:
    """Requests without end: by name, auto, streamed, and wrong in several ways."""
    for number in itertools.count():
        n = b"%d" % number
        said = b'"messages":[{"role":"user","content":"sort the letters dbca%s"}],"user":"u%s"' % (
            n,
            n,
        )
        line = b"x-request-id: r-" + n
        yield posted(b'{"model":"sorter",%s}' % said, line, close=False)
        yield posted(b'{"model":"auto",%s}' % said, line, close=False)
        yield posted(b'{"model":"auto","stream":true,%s}' % said, line, close=False)
        yield posted(b'{"model":"nobody-%s",%s}' % (n, said), line, close=False)
        yield posted(b'{"model":"auto","messages":[%s' % n, line, close=False)
        yield get(b"/nowhere/" + n, line, close=False)
        yield get(b"/v1/models/no-%s" % n, b"x-session-id: s" + n, close=False)
        yield posted(b'{"query":"sort dbca%s"}' % n, line, path=b"/query", close=False)


async def ask(router: Running, wires: Iterator[bytes], count: int) -> None:
    """Ask one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    for wire in itertools.islice(wires, count):
        writer.write(wire)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"HTTP/1.1 5" not in head[:12], head
        await _body(reader, head)
    writer.close()
    await writer.wait_closed()


async def _body(reader: asyncio.StreamReader, head: bytes) -> None:
    _, _, rest = head.lower().partition(b"content-length: ")
    if rest:
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    else:
        await reader.readuntil(b"0\r\n\r\n")


async def asked(router: Running, wires: Iterator[bytes], count: int) -> int:
    """Ask so many and count the blocks of memory that are in use afterwards."""
    share = count // CONNECTIONS
    await asyncio.gather(*(ask(router, wires, share) for _ in range(CONNECTIONS)))
    await nothing_is_left(router)
    gc.collect()
    return sys.getallocatedblocks()


def test_memory_does_not_grow_with_requests() -> None:
    async def go() -> tuple[int, int]:
        async with instant_engine() as pod, instant_engine() as frontier:
            router = await Running.start(route("sorter", pod), general("frontier", frontier))
            tasks = len(asyncio.all_tasks())
            wires = requests()
            before = await asked(router, wires, WARM)
            after = await asked(router, wires, MORE)
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
            await router.stop()
            return before, after

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        before, after = runner.run(go())

    assert after - before < MORE * MOST_BLOCKS_PER_REQUEST
