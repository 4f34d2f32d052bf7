"""The whole router as a pod runs it: Ray, a watcher, two dispatchers; then SIGTERM under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_engine import FakeEngine, Script, Turn, answers, sse
from ports import free_port

Engine = Callable[[Script], Awaitable[FakeEngine]]
START_S = 240  # a dozen seconds on a free machine

pytestmark = pytest.mark.ray

ROUTES = """\
apiVersion: tierwise.dev/v1alpha1
kind: Specialist
metadata: {{name: sorter, namespace: demo}}
spec: {{field: sorting, external: {{baseURL: "{url}/v1", model: sorter}}}}
"""


@dataclass(slots=True)
class RouterProcess:
    """``python -m tierwise_router`` and what it has logged."""

    process: asyncio.subprocess.Process
    url: str
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def until(self, message: str, times: int = 1) -> None:
        """Read the log until a message has come so often."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_S):
            while sum(line.get("message") == message for line in self.lines) < times:
                line = await self.process.stdout.readline()
                assert line, f"the router ended: {self.lines}"
                if line.startswith(b"{"):
                    self.lines.append(json.loads(line))


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[Path], Awaitable[RouterProcess]]]:
    started: list[RouterProcess] = []

    async def start_router(routes: Path) -> RouterProcess:
        port, health_port = free_port(), free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tierwise_router", "--file", str(routes),
            "--port", str(port), "--health-port", str(health_port),
            stdout=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "HOME": str(tmp_path),
                "TIERWISE_HOST": "127.0.0.1",
                "TIERWISE_DISPATCHERS": "2",
                "TIERWISE_WITHDRAW_S": "10",  # time to ask once more, also on a busy machine
            },
        )  # fmt: skip
        started.append(RouterProcess(process, f"http://127.0.0.1:{port}"))
        await started[-1].until("router running")
        async with httpx.AsyncClient() as client:
            reply = await client.get(f"http://127.0.0.1:{health_port}/healthz")
            assert reply.status_code == 200
        return started[-1]

    yield start_router
    for one in started:
        if one.process.returncode is None:
            one.process.kill()
            await one.process.communicate()


def exposed_ports(root: int) -> set[str]:
    """The ports of a process and its descendants that listen on more than loopback."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            parent = int(text.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    family, todo = set[int](), [root]
    while todo:
        family.add(one := todo.pop())
        todo += children.get(one, [])
    sockets = set[str]()
    for one in family:
        for link in Path(f"/proc/{one}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(str(link.readlink()))
    assert len(family) > 5
    return {address for address, inode in listening() if f"socket:[{inode}]" in sockets}


def listening() -> list[tuple[str, str]]:
    """Address and inode of every listening TCP socket that is not bound to loopback."""
    loopback = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and not fields[1].startswith(loopback):
                found.append((fields[1], fields[9]))
    return found


def table_version(metrics: str) -> str:
    found = re.search(r'table_info\{version="(\w+)"', metrics)
    return found[1] if found else ""


async def test_a_pod_answers_follows_changes_and_drains_without_losing_a_request(
    engine: Engine, start: Callable[[Path], Awaitable[RouterProcess]], tmp_path: Path
) -> None:
    finish = asyncio.Event()

    async def slow_stream(turn: Turn) -> None:
        if not turn.request.fields.get("stream"):
            await answers("new")(turn)
            return
        await turn.stream_head()
        await turn.chunk(sse({"n": 1}))
        await finish.wait()
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.end()

    old, new = await engine(answers("old")), await engine(slow_stream)
    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES.format(url=old.url))
    router = await start(routes)
    await router.until("table taken", times=2)
    body = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}

    assert exposed_ports(router.process.pid) == set()

    async with httpx.AsyncClient(base_url=router.url, timeout=60) as client:
        first = await client.post("/v1/chat/completions", json=body)
        assert first.json()["choices"][0]["message"]["content"] == "old"

        # Both dispatchers take the new table; a connection stays with one of them.
        routes.write_text(ROUTES.format(url=new.url))
        await router.until("table taken", times=4)
        second = await client.post("/v1/chat/completions", json=body)
        assert second.json()["choices"][0]["message"]["content"] == "new"
        assert table_version((await client.get("/metrics")).text)

        streaming = asyncio.ensure_future(
            client.post("/v1/chat/completions", json={**body, "stream": True})
        )
        while not any(request.fields.get("stream") for request in new.requests):
            new.arrived.clear()
            await new.arrived.wait()
        router.process.send_signal(signal.SIGTERM)
        await router.until("stopping: not ready any more")
        while (await client.get("/readyz")).status_code != 503:
            pass
        withdrawn = await client.post("/v1/chat/completions", json=body)
        assert withdrawn.status_code == 200
        await router.until("draining")
        finish.set()

        assert (await streaming).text.endswith("data: [DONE]\n\n")

    await router.until("drained")
    async with asyncio.timeout(30):
        assert await router.process.wait() == 0


async def test_a_port_that_is_taken_is_said_before_ray_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tierwise_router", "--file", "x.yaml", "--port", str(port),
            stdout=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TIERWISE_HOST": "127.0.0.1",
            },
        )  # fmt: skip
        out, _ = await process.communicate()

    assert process.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken".encode() in out
    assert b"starting Ray" not in out


ROUTES_THAT_LEARN = """\
apiVersion: tierwise.dev/v1alpha1
kind: RouterPolicy
metadata: {{name: default}}
spec: {{learning: {{refitInterval: 500ms}}}}
---
apiVersion: tierwise.dev/v1alpha1
kind: Specialist
metadata: {{name: sorter, namespace: demo}}
spec:
  field: sorting
  external: {{baseURL: "{url}/v1", model: sorter}}
  routing: {{examples: [sort dbca, sort the letters homv, order the letters of qmzab]}}
---
apiVersion: tierwise.dev/v1alpha1
kind: Specialist
metadata: {{name: anything, namespace: demo}}
spec:
  field: general
  external: {{baseURL: "{url}/v1", model: large}}
"""


async def test_feedback_changes_where_the_next_question_goes(
    start: Callable[[Path], Awaitable[RouterProcess]],
    engine: Callable[[Script], Awaitable[FakeEngine]],
    tmp_path: Path,
) -> None:
    """Rejected often enough, a Specialist is no longer asked: the generalist is, by everybody."""
    answering = await engine(answers("abcd"))
    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES_THAT_LEARN.format(url=answering.url))
    router = await start(routes)
    await router.until("table taken", times=2)
    body = {"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}]}

    async with httpx.AsyncClient(base_url=router.url, timeout=60) as client:

        async def asked() -> httpx.Response:
            # A connection stays with one dispatcher; each question here opens one of its own.
            return await client.post(
                "/v1/chat/completions", json=body, headers={"connection": "close"}
            )

        first = await asked()
        assert first.headers["x-tierwise-specialist"] == "demo/sorter", first.text
        for _ in range(12):
            decision = (await asked()).headers["x-tierwise-decision"]
            told = await client.post("/v1/feedback", json={"decision": decision, "accepted": False})
            assert told.status_code == 200

        async with asyncio.timeout(60):
            agreed = 0
            while agreed < 8:
                specialist = (await asked()).headers["x-tierwise-specialist"]
                agreed = agreed + 1 if specialist == "demo/anything" else 0
        said = (await client.get("/metrics")).text
    assert 'learned_outcomes{source="feedback",specialist="demo/sorter"}' in said
