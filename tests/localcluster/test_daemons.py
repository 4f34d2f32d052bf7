"""Daemons are started once, found again, and never mistaken for a stranger."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.errors import NotReadyError
from localcluster.processes import (
    Daemon,
    Record,
    is_alive,
    kill_all,
    read_record,
    started_ticks,
    stop,
    wait_gone,
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon("napper", ("sleep", "300"), tmp_path / "napper.log", tmp_path / "processes")
    yield made
    record = read_record(made.record)
    if record is not None:
        kill_all([record])


def test_a_second_ensure_starts_nothing(daemon: Daemon) -> None:
    assert daemon.ensure()
    first = daemon.running()
    assert not daemon.ensure()
    assert daemon.running() == first


def test_a_killed_daemon_is_started_again(daemon: Daemon) -> None:
    daemon.ensure()
    first = daemon.running()
    kill_all([first])
    assert daemon.running() is None
    assert daemon.ensure()
    assert daemon.running().pid != first.pid


def test_a_changed_command_replaces_the_process(daemon: Daemon) -> None:
    daemon.ensure()
    first = daemon.running()
    assert dataclasses.replace(daemon, argv=("sleep", "301")).ensure()
    assert not is_alive(first)


def test_a_changed_configuration_file_replaces_the_process(daemon: Daemon, tmp_path: Path) -> None:
    config = tmp_path / "napper.yaml"
    config.write_text("deep: false")
    configured = dataclasses.replace(daemon, reads=(config,))
    configured.ensure()
    assert not configured.ensure()
    config.write_text("deep: true")
    assert configured.ensure()


def test_a_record_does_not_fit_another_process_of_the_same_id() -> None:
    mine = Record(os.getpid(), started_ticks(os.getpid()), "me")
    assert is_alive(mine)
    assert not is_alive(dataclasses.replace(mine, started_ticks=mine.started_ticks - 1))


def test_stopping_a_stale_record_spares_the_stranger_with_its_id() -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        ticks = started_ticks(stranger.pid)
        stop(Record(stranger.pid, ticks - 1, "gone"))
        assert stranger.poll() is None
        stop(Record(stranger.pid, ticks, "itself"))
        assert stranger.wait() == -15


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo deaf; while :; do sleep 300 & wait; done"
    deaf = Daemon("deaf", ("sh", "-c", script), tmp_path / "log", tmp_path / "processes")
    deaf.ensure()
    record = deaf.running()
    stop(record, patience_seconds=0.2)
    assert wait_gone([record], 5)


def test_a_daemon_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    script = "echo port 6443 is taken >&2; exit 1"
    broken = Daemon("server", ("sh", "-c", script), tmp_path / "s.log", tmp_path / "processes")
    broken.ensure()
    assert wait_gone([read_record(broken.record)], 5)
    with pytest.raises(
        NotReadyError, match=r"(?s)server stopped right.*port 6443 is taken"
    ) as caught:
        broken.check_alive()
    assert str(tmp_path / "s.log") in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", json.dumps({"pid": 1})])
def test_a_record_cut_short_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "napper.json"
    path.write_text(text)
    assert read_record(path) is None


def test_a_proxy_of_the_caller_does_not_steer_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere:3128")
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    printer = Daemon("env", ("env",), tmp_path / "env.log", tmp_path / "processes")
    printer.ensure()
    assert wait_gone([read_record(printer.record)], 5)
    assert "elsewhere" not in (tmp_path / "env.log").read_text()
