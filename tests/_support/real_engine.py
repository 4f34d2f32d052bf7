"""One real vLLM with the example sorter, for tests that want no cluster around it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from localcluster import engine

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 600
# The parser is what lets clients insist on a tool.
ARGUMENTS: Final = (
    *("--enforce-eager", "--kv-cache-memory-bytes", str(64 << 20), "--max-model-len", "256"),
    *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
)
ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}


@contextmanager
def real_engine(log: Path, name: str = "sorter", *arguments: str) -> Iterator[str]:
    """Serve one of examples/models; yields the address. ``log`` is a file to write."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(str(engine.ensure() / "bin" / "python"), "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(ROOT / "examples" / "models" / name), "--served-model-name", name),
        *("--host", "127.0.0.1", "--port", str(port), *ARGUMENTS, *arguments),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=os.environ | ENVIRONMENT, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(process, url, log)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def engine_metric(url: str, name: str, label: str = "") -> float:
    """Add up an engine's counter over its series with that label."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as reply:  # noqa: S310 - loopback
        lines = reply.read().decode().splitlines()
    found = [line for line in lines if line.startswith(name) and label in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def engine_models(url: str) -> list[str]:
    """The models that an engine lists."""
    with urllib.request.urlopen(f"{url}/v1/models", timeout=60) as reply:  # noqa: S310 - loopback
        return [model["id"] for model in json.load(reply)["data"]]


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            engine_models(url)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
            break
        else:
            return
    raise AssertionError(log.read_text()[-4000:])
