"""The same router without Kubernetes: `tierwise serve` on what `kubectl get` printed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cluster import Cluster, answer, eventually

STARTS_WITHIN_SECONDS = 180
STOPS_WITHIN_SECONDS = 180


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def resources(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("laptop") / "fleet.yaml"
    file.write_text(cluster.kubectl("get", "gputiers,specialists", "-o", "yaml"))
    return file


@pytest.fixture(scope="module")
def laptop(resources: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A router on this machine; its own process group, so that Ray goes with it."""
    port = free_port()
    command = [
        *(str(Path(sys.executable).with_name("tierwise")), "serve", str(resources)),
        *("--port", str(port), "--dispatchers", "1"),
    ]
    serving = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("RAY_")},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, serving)
        yield url, serving
    finally:
        if serving.poll() is None:
            os.killpg(serving.pid, signal.SIGKILL)
            serving.wait()


def wait_until_ready(url: str, serving: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if serving.poll() is not None:
            said = serving.stdout.read() if serving.stdout else ""
            pytest.fail(f"tierwise serve ended with {serving.returncode}: {said}")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"tierwise serve did not answer within {STARTS_WITHIN_SECONDS} s")


def models(url: str) -> set[str]:
    return {model["id"] for model in httpx.get(f"{url}/v1/models", timeout=60).json()["data"]}


def ask(url: str, text: str) -> httpx.Response:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)


def test_the_laptop_router_routes_to_the_very_pods(
    laptop: tuple[str, subprocess.Popen[str]],
) -> None:
    reply = ask(laptop[0], "sort dbca")

    assert answer(reply) == "abcd"
    assert reply.headers["x-tierwise-specialist"] == "default/sorter"
    assert reply.headers["x-tierwise-tier"] == "rtx-4090"


def test_it_escalates_like_the_one_in_the_cluster(
    laptop: tuple[str, subprocess.Popen[str]],
) -> None:
    reply = ask(laptop[0], "uppercase hello")

    assert answer(reply) == "HELLO"
    assert reply.headers["x-tierwise-specialist"] == "default/frontier"


def test_a_changed_file_takes_effect_while_it_runs(
    laptop: tuple[str, subprocess.Popen[str]], resources: Path
) -> None:
    before = resources.read_text()
    resources.write_text(before.replace("name: adder", "name: calculator"))
    try:
        names = eventually(lambda: models(laptop[0]), lambda seen: "calculator" in seen)
        assert "adder" not in names
    finally:
        resources.write_text(before)


def test_ctrl_c_stops_it_and_everything_it_started(
    laptop: tuple[str, subprocess.Popen[str]],
) -> None:
    url, serving = laptop
    serving.send_signal(signal.SIGINT)

    said, _ = serving.communicate(timeout=STOPS_WITHIN_SECONDS)

    assert serving.returncode == 0, said
    assert "tierwise serves " in said
    assert said.rstrip().endswith("stopped")
    with pytest.raises(httpx.ConnectError):
        ask(url, "sort dbca")
