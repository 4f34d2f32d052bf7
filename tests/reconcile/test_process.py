"""The process around the operator: health, metrics, logs, events, signals, the command line."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer
from apiserver import ApiServer
from fake_cluster import FakeCluster
from observed import NOON
from ports import free_port
from stage import Stage, specialist_body
from typer.testing import CliRunner

from tierwise_core.plan import Announce
from tierwise_operator import health, logs
from tierwise_operator.cli import app
from tierwise_operator.health import Health
from tierwise_operator.kinds import SPECIALIST
from tierwise_operator.recorder import Recorder, Subject

SUBJECT = Subject(SPECIALIST, "ai", "sorter", "uid-sorter")


async def test_health_readiness_and_metrics_are_served(stage: Stage) -> None:
    stage.cluster.put(specialist_body())
    await stage.start()
    state, operator = Health(), stage.operator
    served = health.application(state, operator.metrics, operator.refresh_metrics)
    async with TestClient(TestServer(served)) as client:
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/readyz")).status == 503
        state.becomes("leading", ready=True)
        answer = await client.get("/readyz")
        assert (answer.status, await answer.text()) == (200, "leading\n")
        scraped = await (await client.get("/metrics")).text()
    for series in (
        'tierwise_operator_specialists{phase="Loading"} 1.0',
        'tierwise_operator_writes_total{kind="Deployment",verb="apply"} 1.0',
        'tierwise_operator_tier_gpus{state="capacity",tier="rtx-4090"} 4.0',
        'tierwise_operator_reconcile_total{kind="Specialist",outcome="ok"}',
        "tierwise_operator_queue_depth 0.0",
        "tierwise_operator_specialists_ready 0.0",
    ):
        assert series in scraped


async def test_the_same_words_about_the_same_object_are_said_once_an_hour() -> None:
    cluster, now = FakeCluster(), [NOON]
    recorder = Recorder(cluster, "operator-0", lambda: now[0])
    announce = Announce("Warning", "NoCapacity", "x" * 2000)
    await recorder.announce(SUBJECT, announce)
    await recorder.announce(SUBJECT, announce)
    assert len(cluster.events) == 1
    now[0] += timedelta(hours=2)
    await recorder.announce(SUBJECT, announce)
    assert len(cluster.events) == 2
    event = cluster.log[0].body
    assert event["regarding"]["uid"] == "uid-sorter"
    assert len(event["note"]) == 1024
    assert event["metadata"]["namespace"] == "ai"


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored_logging")
def test_a_log_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger("tierwise.reconcile").info("wrote", name="sorter", action="apply")
    logging.getLogger("kopf").info("chatter")
    logging.getLogger("somebody").warning("careful %s", "now")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["name"], first["level"]) == ("wrote", "sorter", "info")
    assert second["event"] == "careful now"


def test_the_help_names_every_option() -> None:
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in ("--namespace", "--leader-elect", "--workers", "--resync-seconds", "--port"):
        assert option in shown.output


def test_without_a_cluster_the_command_says_what_to_set() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tierwise_operator", "run", "--port", str(free_port())],
        env={"PATH": os.environ["PATH"], "KUBECONFIG": "/does/not/exist", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 1
    assert "set KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.apiserver
async def test_sigterm_gives_the_lease_back_and_ends_with_zero(api_server: ApiServer) -> None:
    """The whole process, as a pod would run it: it leads, it is told to stop, it stops."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tierwise_operator", "run", "--port", str(free_port()), "--host", "127.0.0.1"),
        *("--lease-namespace", "kube-system"),
        env={**os.environ, "KUBECONFIG": str(api_server.kubeconfig)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    seen = []
    async with asyncio.timeout(240):
        async for line in process.stderr:
            seen.append(json.loads(line))
            if seen[-1]["event"] == "listed" and seen[-1]["kind"] == "Specialist":
                break
        process.send_signal(signal.SIGTERM)
        rest = (await process.stderr.read()).decode()
        assert await process.wait() == 0
    assert '"level": "error"' not in rest
    lease = json.loads(
        api_server.kubectl("get", "lease", "tierwise-operator", "-n", "kube-system", "-o", "json")
    )
    assert lease["spec"].get("holderIdentity", "") == ""
