"""A small Hub on the loopback: real sockets, real redirects, real faults.

It answers ``/{repo}/resolve/{revision}/{file}`` as the Hub does: a commit in ``X-Repo-Commit``, its
own words for refusals in ``X-Error-Code``, large files redirected to another origin (its CDN).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import unquote

from loopback import QuietServer

COMMIT: Final = "c0ffee0000000000000000000000000000000001"
CHUNK_BYTES: Final = 64 * 1024

ELEMENT_BYTES: Final = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "U8": 1}


def safetensors(
    tensors: dict[str, tuple[str, list[int]]], padding: int = 0, metadata: str = ""
) -> bytes:
    """A sound file with these tensors, all zero; ``padding`` spaces lengthen its header."""
    entries: dict[str, Any] = {"__metadata__": {"note": metadata}} if metadata else {}
    position = 0
    for name, (dtype, shape) in tensors.items():
        size = ELEMENT_BYTES[dtype]
        for dimension in shape:
            size *= dimension
        offsets = [position, position + size]
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        position += size
    header = json.dumps(entries).encode() + b" " * padding
    return len(header).to_bytes(8, "little") + header + bytes(position)


@dataclass
class Fault:
    """What goes wrong with a file: a status, a lasting silence, or a range that is ignored."""

    status: int = 200
    code: str = ""
    times: int = 1_000_000
    silent: bool = False
    ignores_range: bool = False
    keeps_size_secret: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    breaks_after: int = -1
    flips_a_bit: bool = False


@dataclass
class FakeHub:
    """Repositories in memory, and what was asked of them."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    faults: dict[str, Fault] = field(default_factory=dict)
    gated: dict[str, str] = field(default_factory=dict)
    names_commits: bool = True
    page: int = 1000
    links: str = ""
    cdn: str = ""
    endpoint: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    cdn_requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bytes_written: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    silenced: threading.Event = field(default_factory=threading.Event)

    def asked(self) -> list[str]:
        """The files asked for so far, in order."""
        return [path.rsplit("/", 1)[-1] for path, _ in self.requests]


RESOLVE: Final = re.compile(r"/(?P<repo>[^?]+?)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


API: Final = re.compile(r"/api/models/(?P<repo>.+)/(?P<what>revision|tree)/(?P<revision>[^/]+)")


def listed(name: str, content: bytes) -> dict[str, Any]:
    """A file in the API's listing: a large one with its SHA-256, a small one with git's hash."""
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    found = {"type": "file", "path": name, "size": len(content), "oid": git}
    if not name.endswith(".safetensors"):
        return found
    return {**found, "lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}}


class _Handler(BaseHTTPRequestHandler):
    """What both origins share: ranges, and counting what is really sent."""

    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Stay silent."""

    def refuse(self, status: int, code: str = "", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, content: bytes, fault: Fault, headers: dict[str, str]) -> None:
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        partial = span is not None and not fault.ignores_range
        if fault.flips_a_bit and self.strikes(fault):
            content = bytes([content[0] ^ 1]) + content[1:]
        body = content[int(span[1]) : int(span[2]) + 1] if partial and span else content
        self.send_response(206 if partial else 200)
        if partial and span:
            size = "*" if fault.keeps_size_secret else str(len(content))
            last = int(span[1]) + len(body) - 1
            self.send_header("Content-Range", f"bytes {span[1]}-{last}/{size}")
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault.breaks_after >= 0 and self.strikes(fault):
            body, self.close_connection = body[: fault.breaks_after], True
        self.write(body)

    def strikes(self, fault: Fault) -> bool:
        fault.times -= 1
        return fault.times >= 0

    def write(self, body: bytes) -> None:
        try:
            for start in range(0, len(body), CHUNK_BYTES):
                self.wfile.write(body[start : start + CHUNK_BYTES])
                self.hub.bytes_written += len(body[start : start + CHUNK_BYTES])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


class _HubHandler(_Handler):
    """The Hub itself."""

    def do_GET(self) -> None:
        self.hub.requests.append((self.path, dict(self.headers.items())))
        if (asked := API.fullmatch(self.path.partition("?")[0])) is not None:
            self.describe(unquote(asked["repo"]), asked["what"], unquote(asked["revision"]))
            return
        match = RESOLVE.fullmatch(self.path)
        repo = unquote(match["repo"]) if match else ""
        if match is None or repo not in self.hub.files:
            self.refuse(401 if match else 404, "RepoNotFound" if match else "")
            return
        token = self.hub.gated.get(repo)
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            self.refuse(401, "GatedRepo")
            return
        self.resolve(repo, unquote(match["revision"]), unquote(match["file"]))

    def describe(self, repo: str, what: str, revision: str) -> None:
        """The Hub's API: which commit a revision is, and the files of a commit."""
        fault = self.hub.faults.get(f"api/{what}", Fault())
        commit = self.hub.revisions.get(revision, revision)
        if repo not in self.hub.files or commit not in self.hub.revisions.values():
            self.refuse(404, "RevisionNotFound" if repo in self.hub.files else "RepoNotFound")
        elif fault.status != 200 and self.strikes(fault):
            self.refuse(fault.status, fault.code, fault.headers)
        elif what == "revision":
            self.say_json({"id": repo, "sha": commit})
        else:
            files = [listed(name, body) for name, body in sorted(self.hub.files[repo].items())]
            after = self.path.partition("cursor=")[2]
            start = int(after) if after else 0
            end = start + self.hub.page
            path = self.path.partition("&cursor=")[0]
            more = f'<{self.hub.links}{path}&cursor={end}>; rel="next"'
            self.say_json(files[start:end], {"Link": more} if end < len(files) else {})

    def say_json(self, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.write(body)

    def resolve(self, repo: str, revision: str, file: str) -> None:
        commit = self.hub.revisions.get(revision, revision)
        if commit not in self.hub.revisions.values():
            self.refuse(404, "RevisionNotFound")
            return
        fault = self.hub.faults.get(file, Fault())
        if fault.silent:
            self.hub.silenced.set()
            self.hub.closing.wait()
            self.close_connection = True
            return
        if fault.status != 200 and fault.times:
            fault.times -= 1
            self.refuse(fault.status, fault.code, fault.headers)
            return
        content = self.hub.files[repo].get(file)
        if content is None:
            self.refuse(404, "EntryNotFound")
            return
        headers = {"X-Repo-Commit": commit} if self.hub.names_commits else {}
        if self.hub.cdn and file.endswith(".safetensors"):
            self.send_response(302)
            self.send_header("Location", f"{self.hub.cdn}/{repo}/{file}")
            self.send_header("Content-Length", "0")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            return
        self.send_file(content, fault, headers)


class _CdnHandler(_Handler):
    """The other origin that large files are redirected to."""

    def do_GET(self) -> None:
        self.hub.cdn_requests.append((self.path, dict(self.headers.items())))
        repo, _, file = self.path.lstrip("/").rpartition("/")
        content = self.hub.files[repo][file]
        self.send_file(content, self.hub.faults.get(file, Fault()), {})


@contextmanager
def _served(handler: type[_Handler], hub: FakeHub, host: str) -> Iterator[str]:
    server = QuietServer((host, 0), type("Bound", (handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def fake_hub(*, with_cdn: bool = False, host: str = "127.0.0.1") -> Iterator[FakeHub]:
    """A running Hub, with a second origin for large files if asked for."""
    hub = FakeHub()
    with _served(_HubHandler, hub, host) as endpoint, _served(_CdnHandler, hub, host) as cdn:
        hub.endpoint = endpoint
        hub.cdn = cdn if with_cdn else ""
        yield hub
