"""Every command explains itself, and knows nothing of the heavy libraries until it needs them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from tierwise_api import KINDS
from tierwise_cli.errors import CliError
from tierwise_cli.extras import need_extra
from tierwise_cli.main import app
from tierwise_cli.start import asked_for

COMMANDS = (
    "version",
    "crds",
    "doctor",
    "ask",
    "explain",
    "feedback",
    "serve",
    "status",
    "replay",
    "classify",
    "fetch",
    "size",
    "cost",
    "calibrate",
    "claims",
    "drift",
    "export",
    "plan",
    "plan graph",
    "tiers discover",
    "rollout list",
    "rollout watch",
    "rollout explain",
    "rollout pause",
    "rollout resume",
    "rollout promote",
    "rollout abort",
    "rollout undo",
    "rollout start",
    "batch submit",
    "batch list",
    "batch watch",
    "batch results",
    "batch cancel",
    "tenant create",
    "tenant rotate",
    "tenant revoke",
    "tenant list",
    "audit verify",
    "audit export",
    "audit prove",
    "ledger serve",
    "ledger migrate",
    "ledger status",
    "ledger erase",
    "economics funnel",
    "economics routefit",
    "economics gate",
    "economics payback",
    "economics finetune",
    "economics self-managed",
    "economics fanout",
    "economics consensus",
    "economics latency-tiers",
    "simulate rollout",
)


def told(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env={"NO_COLOR": "1", "COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    return done.output


def every_command(command: Any, path: str = "") -> Iterator[str]:
    """The commands that do something, those of groups included."""
    below = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield path
    for name, each in below.items():
        yield from every_command(each, f"{path} {name}".strip())


def test_the_commands_are_these() -> None:
    assert tuple(every_command(typer.main.get_command(app))) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_of_the_command(command: str) -> None:
    shown = told(*command.split(), "--help")

    assert "Examples:" in shown
    assert shown.count(f"tierwise {command}") >= 2  # the usage line and an example


def test_version_is_that_of_the_package_in_both_forms() -> None:
    as_json = json.loads(told("version", "--output", "json"))

    assert as_json["api"] == "tierwise.dev/v1alpha1"
    assert told("version").startswith(f"tierwise {as_json['version']} ")


def test_crds_prints_every_kind_for_kubectl() -> None:
    definitions = list(yaml.safe_load_all(told("crds")))

    assert [d["spec"]["names"]["kind"] for d in definitions] == [kind.__name__ for kind in KINDS]


def test_a_mistyped_command_is_a_usage_error() -> None:
    done = CliRunner().invoke(app, ["doktor"])

    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("tierwise_cli.main", {"ray", "kubernetes", "sklearn", "kopf"}),
        ("tierwise_cli.start", {"httpx", "pydantic", "rich.console"}),
        ("tierwise_cli.ask", {"pydantic", "tierwise_api"}),
    ],
)
def test_a_command_starts_without_what_it_does_not_need(module: str, without: set[str]) -> None:
    code = f"import sys, {module}; print(*({without!r} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert loaded.stdout.decode().split() == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_line_loads_the_part_it_needs(command: str) -> None:
    words = command.split()
    (part,) = asked_for(words, {})

    assert part.name == words[0]
    assert len(asked_for(words, {"_TIERWISE_COMPLETE": "complete_bash"})) > 1


def test_a_command_without_its_libraries_says_what_to_install() -> None:
    with pytest.raises(CliError, match="serve needs ray, uvloop, which the extra") as refused:
        need_extra("router", "tierwise serve", ("ray", "json", "uvloop"), {"json": True}.get)

    assert refused.value.fix == "pip install 'tierwise[router,cli]'"


def test_serve_refuses_a_file_that_is_not_there() -> None:
    done = CliRunner().invoke(app, ["serve", "/nonexistent/routes.yaml"])

    assert done.exit_code == 2
    assert "does not exist" in done.output
