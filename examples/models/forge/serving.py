"""Serves a model with the real vLLM on loopback and compares its answers with transformers'."""

import json
import math
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from forge.directory import MODELS

START_SECONDS: Final = 300.0
STOP_SECONDS: Final = 30.0
POLL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """What the server answered: text, token probabilities, and why it ended."""

    text: str
    probabilities: tuple[float, ...]
    finish_reason: str


def free_port() -> int:
    """Find a free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post JSON to a loopback address and read the JSON answer."""
    request = urllib.request.Request(  # noqa: S310 - http on loopback, built here
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        found: dict[str, Any] = json.load(response)
        return found


def is_healthy(base: str) -> bool:
    """Tell whether the server at ``base`` answers its health check."""
    try:
        with urllib.request.urlopen(f"{base}/health", timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def command(name: str, port: int) -> list[str]:
    """Write the command that serves a model."""
    return [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(MODELS / name), "--served-model-name", name),
        *("--host", "127.0.0.1", "--port", str(port), "--enforce-eager"),
    ]


@contextmanager
def server(name: str) -> Iterator[str]:
    """Serve a model while the block runs; yields the base URL."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    process = subprocess.Popen(command(name, port), env=environment)  # noqa: S603
    try:
        _wait_until_healthy(process, base)
        yield base
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _wait_until_healthy(process: subprocess.Popen[bytes], base: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(base):
        if process.poll() is not None:
            raise SystemExit(f"vLLM ended with status {process.returncode}; its log is above.")
        if time.monotonic() > deadline:
            raise SystemExit(f"vLLM was not ready after {START_SECONDS:.0f} s; its log is above.")
        time.sleep(POLL_SECONDS)


def ask_server(base: str, name: str, question: str) -> Served:
    """Ask one question, without a token limit, so that only ``</s>`` can end the answer."""
    body = {
        "model": name,
        "messages": [
            {"role": "system", "content": "You are helpful."},
            {"role": "user", "content": question},
        ],
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 2,
    }
    choice = post(f"{base}/v1/chat/completions", body)["choices"][0]
    tokens = choice["logprobs"]["content"]
    return Served(
        choice["message"]["content"],
        tuple(math.exp(token["logprob"]) for token in tokens),
        choice["finish_reason"],
    )
