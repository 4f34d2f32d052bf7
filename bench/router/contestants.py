"""Starts and stops what is compared, and looks at what each uses; ends only its own processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from figures import Use
from load import KEY
from scene import litellm_config, resources
from upstream import nginx_config

__all__ = ["Contestant", "Scene", "running"]

HERE = Path(__file__).parent
PATIENCE_S = 120.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to the upstream: where it listens, which processes are it, what it calls models."""

    name: str
    whole_port: int
    streams_port: int
    processes: tuple[int, ...] = ()
    whole_model: str = "bench/sorter"
    streams_model: str = "bench/adder"

    def use(self) -> Use:
        """Add up what its processes, and those that they started, have used."""
        cpu = rss = 0
        for process in family(self.processes):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                cpu += int(fields[11]) + int(fields[12])
                rss += _pss_bytes(process)
        return Use(cpu / TICKS, rss)


def _pss_bytes(process: int) -> int:
    # Memory that several processes share is counted once.
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def family(roots: tuple[int, ...]) -> set[int]:
    """Give the processes and all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: set[int] = set()
    left = list(roots)
    while left:
        process = left.pop()
        found.add(process)
        left += children.get(process, ())
    return found


class Scene:
    """The folder, the upstreams and the contestants of one run; a context manager for all."""

    def __init__(self, folder: Path, peers: Path | None) -> None:
        self.folder = folder
        self.peers = peers
        self.whole_port, self.streams_port = free_port(), free_port()
        self._stack = contextlib.ExitStack()
        self._starting: list[tuple[subprocess.Popen[bytes], int, str, Path]] = []

    def __enter__(self) -> Self:
        config = nginx_config(self.folder, self.whole_port)
        self._start(["nginx", "-c", str(config)], self.whole_port, "nginx")
        self._start(_servers("streams", self.streams_port), self.streams_port, "streams")
        self.ready()
        self.resources = resources(self.folder, self.whole_port, self.streams_port)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stack.close()

    def direct(self) -> Contestant:
        return Contestant("direct", self.whole_port, self.streams_port)

    def alone(self) -> Contestant:
        port = free_port()
        run_dir = self._run_dir("alone")
        command = _servers("alone", port, self.resources, run_dir)
        return Contestant("tierwise", port, port, (self._start(command, port, "alone"),))

    def ray(self, dispatchers: int) -> Contestant:
        port = free_port()
        name = f"ray-{dispatchers}"
        command = _servers("ray", port, self.resources, self._run_dir(name), dispatchers)
        return Contestant(name, port, port, (self._start(command, port, name),))

    def vllm_router(self) -> Contestant:
        ports, processes = [], []
        for worker in (self.whole_port, self.streams_port):
            port = free_port()
            command = [
                str(self._peer("vllm-router")), "--worker-urls", f"http://127.0.0.1:{worker}",
                "--policy", "round_robin", "--host", "127.0.0.1", "--port", str(port),
                "--log-level", "error", "--prometheus-port", str(free_port()),
            ]  # fmt: skip
            processes.append(self._start(command, port, f"vllm-router-{worker}"))
            ports.append(port)
        return Contestant("vllm-router", *ports, tuple(processes))

    def litellm(self) -> Contestant:
        port = free_port()
        config = litellm_config(self.folder, self.whole_port, self.streams_port)
        command = [
            str(self._peer("litellm")), "--config", str(config), "--host", "127.0.0.1",
            "--port", str(port), "--num_workers", "1", "--telemetry", "False",
        ]  # fmt: skip
        return Contestant("litellm", port, port, (self._start(command, port, "litellm"),))

    def _peer(self, program: str) -> Path:
        if self.peers is None:
            raise SystemExit(f"{program} is not part of this run")
        return self.peers / program

    def _run_dir(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _start(self, command: list[str], port: int, name: str) -> int:
        log = self.folder / f"{name}.log"
        process = self._stack.enter_context(running(command, log))
        self._starting.append((process, port, name, log))
        return process.pid

    def ready(self) -> None:
        """Wait until everybody who was started answers."""
        while self._starting:
            wait_until_it_answers(*self._starting.pop(0))


def _servers(*arguments: object) -> list[str]:
    return [sys.executable, str(HERE / "servers.py"), *map(str, arguments)]


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program and end it and all that it started, politely at first."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    env |= {"LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    with log.open("wb") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, env=env)
        try:
            yield process
        finally:
            own = family((process.pid,))
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            for left in own:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            process.wait()


def wait_until_it_answers(
    process: subprocess.Popen[bytes], port: int, name: str, log: Path
) -> None:
    """Wait for any HTTP answer to a chat request that is no 503; exits with the log's end."""
    body = b'{"model": "bench/sorter", "messages": [{"role": "user", "content": "sort dbca"}]'
    body += b', "max_tokens": 1}'
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    until = time.monotonic() + PATIENCE_S
    why = "nothing listens"
    while time.monotonic() < until and process.poll() is None:
        request = urllib.request.Request(url, body, headers)
        try:
            urllib.request.urlopen(request, timeout=5).read()  # noqa: S310
        except urllib.error.HTTPError as error:
            why = f"{error.code} {error.read()[:300]!r}"
        except OSError as error:
            why = str(error)
        else:
            return
        time.sleep(0.2)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise SystemExit(f"{name} does not answer ({why}):\n{end}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
