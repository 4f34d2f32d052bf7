"""What we predict of a model's memory, beside what the real vLLM makes of it.

The models are small, random and made on the spot. The engine is the processor build: its blocks
have 128 tokens (16 for latent attention), and it keeps recurrent states in 32 bit; what a
prediction rests on besides the model is given to it as any ``--block-size`` would be.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tiny_models import CONTEXT, MODELS

from localcluster import engine
from tierwise_core.architectures import metadata_from_config
from tierwise_core.engine_metrics import parse_engine_metrics
from tierwise_core.kv_need import kv_pool
from tierwise_core.lora import AdapterLimits, lora_bytes_per_gpu
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.safetensors_header import LENGTH_BYTES, header_bytes, read_header
from tierwise_core.sizing import replica_kv_bytes_per_token
from tierwise_core.weight_bytes import stored_bytes

pytestmark = pytest.mark.engine

PROBE = Path(__file__).parents[1] / "_support" / "engine_probe.py"
PROBE_SECONDS = 900
START_SECONDS = 600
LATENT_BLOCK, BLOCK = 16, 128

# Bytes that the engine allocates beyond the files' tensors (less where negative), and why.
EXPLAINED = {
    "deepseek": (2 * 4 * 2, "the router's bias of 4 experts in 2 layers, kept in 32 bit"),
    "falcon-h1": (3 * 4 * 2, "A of 4 heads in 3 layers, kept in 32 bit"),
    "granite-hybrid": (4 * 4 * 2, "A of 4 heads in 4 layers, kept in 32 bit"),
    "jamba": (3 * 128 * 16 * 2, "A of 128 x 16 values in 3 layers, kept in 32 bit"),
    "mamba": (3 * 128 * 16 * 2, "A of 128 x 16 values in 3 layers, kept in 32 bit"),
    "qwen3-next": (3 * 4 * 2, "A of 4 heads in 3 layers, kept in 32 bit"),
    "llama-gptq": (-3 * 576 * 4, "group numbers of 576 inputs in 3 layers, dropped: in order"),
    "llama-int8": (
        3 * 640 * 2 + 3 * (3 * 4 + 3 * 2),
        "640 scales in 3 layers, in 32 bit; 3 scales and 3 zero points for a cache in 8 bit",
    ),
}


@dataclass(frozen=True)
class Probed:
    """A model's files and what the engine reported of it."""

    metadata: ModelMetadata
    report: Mapping[str, Any]

    @property
    def demand(self) -> Demand:
        """One sequence, with the settings of the processor build."""
        return Demand(
            CONTEXT,
            concurrency=1,
            max_batched_tokens=self.report["tokens_in_flight"],
            asynchronous=False,
            block_tokens=LATENT_BLOCK if self.metadata.latent_attention else BLOCK,
            state_dtype="float32",
            kv_cache_dtype="fp8" if self.report["name"] == "llama-fp8-cache" else "auto",
        )


def read_files(directory: Path, config: dict[str, Any]) -> ModelMetadata:
    weights = directory / "model.safetensors"
    with weights.open("rb") as file:
        length = header_bytes(file.read(LENGTH_BYTES), weights.name, weights.stat().st_size)
        totals = read_header(file.read(length), weights.name, weights.stat().st_size)
    return metadata_from_config(
        config, totals.weights_bytes, totals.elements, totals.elements_by_dtype
    )


@pytest.fixture(scope="session")
def engine_python() -> Path:
    return engine.ensure() / "bin" / "python"


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny-models")


@pytest.fixture(scope="session")
def probed(engine_python: Path, directory: Path) -> dict[str, Probed]:
    """Every model, made and loaded by one process of the engine's environment."""
    run = subprocess.run(
        [str(engine_python), str(PROBE), str(directory), *MODELS],
        capture_output=True,
        text=True,
        timeout=PROBE_SECONDS,
        check=False,
    )
    lines = [line[6:] for line in run.stdout.splitlines() if line.startswith("PROBE ")]
    reports = {report["name"]: report for report in map(json.loads, lines)}
    assert set(reports) == set(MODELS), run.stderr[-4000:]
    failed = {name: report["error"] for name, report in reports.items() if "error" in report}
    assert failed == {}
    return {
        name: Probed(read_files(directory / name, MODELS[name]), report)
        for name, report in reports.items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_the_cache_is_the_one_we_predict(name: str, probed: dict[str, Probed]) -> None:
    model, report = probed[name], probed[name].report
    pool = kv_pool(model.metadata, model.demand, 1)
    assert pool is not None
    blocks = report["kv_cache_memory_bytes"] // pool.bytes_per_block
    sequences = blocks / pool.sequence_blocks(CONTEXT)
    assert pool.bytes_per_block == report["pool_bytes"] // report["blocks"]
    assert len(pool.groups) == len(report["groups"])
    assert blocks == report["blocks"]
    assert int(sequences * CONTEXT) == report["kv_cache_size_tokens"]


@pytest.mark.parametrize("name", MODELS)
def test_a_token_costs_what_the_engine_says(name: str, probed: dict[str, Probed]) -> None:
    """Its memory over its tokens; the pool's last part of a block is nobody's."""
    model, report = probed[name], probed[name].report
    predicted = replica_kv_bytes_per_token(model.metadata, SizeOverrides(), model.demand)
    used = report["pool_bytes"] / report["kv_cache_size_tokens"]
    assert abs(predicted - used) < 1


@pytest.mark.parametrize("name", MODELS)
def test_the_engine_allocates_the_files_bytes(name: str, probed: dict[str, Probed]) -> None:
    beyond, _why = EXPLAINED.get(name, (0, ""))
    allocated = probed[name].report["allocated_bytes"]
    assert allocated == probed[name].metadata.weights_bytes + beyond


@pytest.mark.parametrize("name", [name for name in MODELS if name not in EXPLAINED])
def test_the_config_alone_tells_the_files_bytes(name: str, probed: dict[str, Probed]) -> None:
    if probed[name].metadata.linears:
        assert stored_bytes(MODELS[name]) == probed[name].metadata.weights_bytes


def test_room_for_adapters_is_what_the_engine_reserves(probed: dict[str, Probed]) -> None:
    model = probed["llama-lora"]
    limits = AdapterLimits(max_rank=8, max_loaded=2)
    predicted = lora_bytes_per_gpu(model.metadata.linears, limits, 1, model.metadata.kv_heads)
    assert predicted == model.report["adapter_bytes"] > 0


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_a_server_reports_the_same(
    name: str, probed: dict[str, Probed], directory: Path, engine_python: Path
) -> None:
    """The whole server, as a pod runs it, and its page of metrics."""
    with served(engine_python, directory / name) as base:
        page = fetch(f"{base}/metrics")
    metrics = parse_engine_metrics(page)
    model = probed[name]
    assert metrics is not None
    assert metrics.kv_cache_memory_bytes is not None
    assert metrics.kv_cache_tokens is not None
    pool = kv_pool(model.metadata, model.demand, 1)
    assert pool is not None
    blocks = metrics.kv_cache_memory_bytes // pool.bytes_per_block
    expected = int(blocks / pool.sequence_blocks(CONTEXT) * CONTEXT)
    assert metrics.kv_cache_tokens == expected


@contextmanager
def served(python: Path, model: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
        *("--host", "127.0.0.1", "--port", str(port), "--enforce-eager"),
        *("--skip-tokenizer-init", "--max-model-len", str(CONTEXT), "--max-num-seqs", "4"),
        *("--max-num-batched-tokens", "256", "--kv-cache-memory-bytes", str(64 << 20)),
    ]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    environment |= {"TORCHDYNAMO_DISABLE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    log = model / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def wait_until_healthy(process: subprocess.Popen[bytes], base: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            fetch(f"{base}/health")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert not ends_within(process, 0.5), log.read_text()[-4000:]
        else:
            return
    pytest.fail(log.read_text()[-4000:])


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - our own loopback
        body: bytes = response.read()
    return body.decode()
