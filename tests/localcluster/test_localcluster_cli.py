"""The command line explains itself and fails in words."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from localcluster import instance
from localcluster.cli import app
from localcluster.errors import CommandError, UnknownInstanceError
from localcluster.instance import Mode, allocate
from localcluster.shell import run

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIERWISE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(instance, "runtime_root", lambda: tmp_path / "run")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "Example" in shown.output


def test_kubeconfig_prints_a_path_for_the_shell() -> None:
    made = allocate("ci", Mode.CONTROL_PLANE)
    shown = CliRunner().invoke(app, ["kubeconfig", "--name", "ci"])
    assert shown.output == f"{made.kubeconfig}\n"


def test_status_of_what_does_not_run_is_status_1() -> None:
    allocate("ci", Mode.CONTROL_PLANE)
    shown = CliRunner().invoke(app, ["status", "--name", "ci", "--output", "json"])
    assert shown.exit_code == 1
    assert '"running": false' in shown.output


def test_an_unknown_instance_is_named() -> None:
    shown = CliRunner().invoke(app, ["status", "--name", "gone"])
    assert isinstance(shown.exception, UnknownInstanceError)


def test_down_of_nothing_is_no_error() -> None:
    shown = CliRunner().invoke(app, ["down", "--name", "gone"])
    assert shown.exit_code == 0


def test_a_failed_command_shows_its_last_words() -> None:
    with pytest.raises(CommandError, match=r"(?s)failed with status 3.*no space left"):
        run(["sh", "-c", "echo no space left >&2; exit 3"])


def test_a_missing_command_is_named() -> None:
    with pytest.raises(CommandError, match="surely-not-there: no such command"):
        run(["surely-not-there"])
