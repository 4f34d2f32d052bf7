"""What docs/batch.md and docs/providers.md show is what works."""

from __future__ import annotations

import json

import pytest
import typer
import yaml
from docblocks import ROOT, blocks, commands

from tierwise_cli.main import app
from tierwise_core.batch import ENDPOINTS, check_line
from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.table import build_table

BATCH = (ROOT / "docs/batch.md").read_text()


def test_the_policy_on_the_page_is_the_default() -> None:
    (text,) = blocks("docs/batch.md", "yaml")
    table, problems = build_table([yaml.safe_load(text)])

    assert not problems
    assert table.policy.batch == BatchPolicy()


def test_the_line_on_the_page_is_right() -> None:
    (text,) = blocks("docs/batch.md", "json")

    assert check_line(1, json.loads(text), "/v1/chat/completions", ()) is None


def test_the_page_names_every_endpoint() -> None:
    assert [each for each in ENDPOINTS if f"`{each}`" not in BATCH] == []


@pytest.mark.parametrize("call", list(commands("docs/batch.md", "tierwise")))
def test_the_program_takes_the_commands(call: list[str]) -> None:
    program = typer.main.get_command(app)
    with program.make_context("tierwise", list(call)) as context:
        name, group, rest = program.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        with group.make_context(name, rest, parent=context) as below:
            assert below.command.get_command(below, rest[0]) is not None


def test_the_provider_on_the_page_is_read_without_a_problem() -> None:
    (text,) = blocks("docs/providers.md", "yaml")
    table, problems = build_table([yaml.safe_load(text)])

    assert not problems
    assert len(table.routes["demo/large"].endpoints) == 2
