"""What does a dispatcher cost? The same load on an upstream alone, and through the router.

    python bench/router/run.py            # about a minute
    python bench/router/run.py --seconds 10 --connections 1 16 64

The upstream answers every POST with the same 300 bytes from a raw asyncio protocol, so that what
is measured is the router. Every server is one process; wrk makes the load from one thread. On a
busy machine rates and latencies say little; the processor time per request says more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httptools
import uvloop

from tierwise_core.route_table import Endpoint, Route, RouteTable
from tierwise_router.app import App
from tierwise_router.brain import Brain
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.listener import Listener, claim_port
from tierwise_router.settings import Settings

BODY = json.dumps(
    {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}], "temperature": 0}
)
EXAMPLES = ("sort dbca", "sort zyx", "please sort hgfe", "put qwe in order")
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "sorter",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "abcd"},
                "logprobs": {"content": [{"token": "a", "logprob": -0.0001}]},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }
).encode()
REPLY = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
) + ANSWER


class Static(asyncio.Protocol):
    """Answers every request with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(REPLY)  # type: ignore[attr-defined]


async def serve_upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Static, "127.0.0.1", port)
    await server.serve_forever()


async def serve_dispatcher(port: int, upstream: str) -> None:
    dispatcher = Dispatcher.create(Settings())
    sorter = Route("demo", "sorter", "sorting", "sorter", (Endpoint(upstream),), examples=EXAMPLES)
    dispatcher.take(Brain.build(RouteTable.of([sorter])))
    await Listener.open(App(dispatcher), claim_port("127.0.0.1", port), drain_s=1)
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Result:
    """One run of wrk: requests per second, and latencies in milliseconds."""

    rps: float
    p50_ms: float
    p99_ms: float
    errors: int


def measure(url: str, model: str, connections: int, seconds: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        body = BODY.replace('"sorter"', f'"{model}"')
        script.write_text(
            f"wrk.method='POST'\nwrk.body=[[{body}]]\n"
            "wrk.headers['content-type']='application/json'\n"
            "done=function(s,l,r) io.write(string.format('RESULT %f %f %f %d\\n',"
            "s.requests/(s.duration/1e6), l:percentile(50)/1e3, l:percentile(99)/1e3,"
            "s.errors.connect+s.errors.read+s.errors.write+s.errors.status+s.errors.timeout)) end\n"
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", told)
    if found is None:
        raise SystemExit(f"wrk said nothing that can be read:\n{told}")
    return Result(float(found[1]), float(found[2]), float(found[3]), int(found[4]))


def cpu_s(process: int) -> float:
    """Processor time of a process so far, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, __file__, *arguments])
    try:
        wait_for(int(arguments[1]))
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port} after 30 s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compare(connections: list[int], seconds: int) -> None:
    upstream, router = free_port(), free_port()
    path = "/v1/chat/completions"
    with (
        running("upstream", str(upstream)) as serving,
        running("dispatcher", str(router), f"http://127.0.0.1:{upstream}") as routing,
    ):
        cases = [
            ("upstream alone", serving, upstream, "sorter"),
            ("dispatcher, by name", routing, router, "sorter"),
            ("dispatcher, auto", routing, router, "auto"),
        ]
        titles = f"{'c':>5}{'rps':>10}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}{'of alone':>10}"
        print(f"{'':22}{titles}{'cpu us/request':>16}")
        for count in connections:
            alone = 0.0
            for name, process, port, model in cases:
                used_s = cpu_s(process)
                got = measure(f"http://127.0.0.1:{port}{path}", model, count, seconds)
                used_us = (cpu_s(process) - used_s) * 1e6 / (got.rps * seconds)
                alone = alone or got.rps
                print(
                    f"{name:22}{count:5}{got.rps:10,.0f}{got.p50_ms:9.3f}{got.p99_ms:9.2f}"
                    f"{got.errors:8}{got.rps / alone:10.0%}{used_us:16.1f}"
                )


def main() -> None:
    match sys.argv[1:]:
        case ["upstream", port]:
            uvloop.run(serve_upstream(int(port)))
        case ["dispatcher", port, upstream]:
            uvloop.run(serve_dispatcher(int(port), upstream))
        case _:
            parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
            parser.add_argument("--seconds", type=int, default=5, help="per measurement")
            parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
            options = parser.parse_args()
            if shutil.which("wrk") is None:
                raise SystemExit("wrk is not installed; try: apt-get install wrk")
            compare(options.connections, options.seconds)


if __name__ == "__main__":
    main()
