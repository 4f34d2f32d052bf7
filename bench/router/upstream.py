"""What every contestant asks: nginx for whole answers, a raw asyncio protocol for streams.

Both answer at once, with the same bytes each time, so that what is measured is the router.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

__all__ = ["ANSWER", "EVENTS_FIELD", "nginx_config", "serve_streams"]

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
                "logprobs": {
                    "content": [
                        {"token": token, "logprob": -0.0001, "bytes": None, "top_logprobs": []}
                        for token in ("a", "b", "cd")
                    ]
                },
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    },
    separators=(",", ":"),
)
CONFIG = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_max_body_size 64m; client_body_buffer_size 1m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=8192; default_type application/json;
    location / {{ return 200 '{answer}'; }}
  }}
}}
"""

EVENTS_FIELD = "max_tokens"
NUMBER = re.compile(rb'"(max_tokens|seed)": ?(\d+)')
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WELL = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def nginx_config(folder: Path, port: int) -> Path:
    """Write the configuration of the upstream for whole answers."""
    path = folder / "nginx.conf"
    path.write_text(CONFIG.format(folder=folder, port=port, answer=ANSWER))
    return path


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(at: int, finish: str | None) -> bytes:
    token = f"t{at} "
    choice = {
        "index": 0,
        "delta": {"content": token} if finish is None else {},
        "logprobs": {"content": [{"token": token, "logprob": -0.0001}]},
        "finish_reason": finish,
    }
    told = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "sorter"}
    return chunk(b"data: " + json.dumps({**told, "choices": [choice]}).encode() + b"\n\n")


FIRST, LAST = event(0, None), event(1, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Streams(asyncio.Protocol):
    """Streams ``max_tokens`` events, ``seed`` milliseconds apart."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._request = b""
        self._writable = asyncio.Event()
        self._writable.set()
        self._telling: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._request += data
        head, found, body = self._request.partition(b"\r\n\r\n")
        if found and head.startswith(b"GET "):  # some routers look whether their worker is well
            self._request = b""
            self._transport.write(WELL)  # type: ignore[attr-defined]
            return
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not found or length is None or len(body) < int(length[1]):
            return
        numbers = {name: int(value) for name, value in NUMBER.findall(body)}
        self._request = b""
        told = self._tell(numbers.get(b"max_tokens", 16), numbers.get(b"seed", 0) / 1000)
        self._telling = asyncio.get_running_loop().create_task(told)

    async def _tell(self, events: int, gap_s: float) -> None:
        write = self._transport.write  # type: ignore[attr-defined]
        write(HEAD + FIRST)
        for _ in range(events - 1):
            await asyncio.sleep(gap_s)
            await self._writable.wait()
            write(FIRST)
        write(LAST)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if self._telling is not None:
            self._telling.cancel()


async def serve_streams(port: int) -> None:
    """Serve streams until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Streams, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()
