"""docs/sources.md: its manifests are valid, its commands are taken, its values are the chart's."""

from __future__ import annotations

import pytest
import typer
import yaml
from docblocks import ROOT, blocks, commands
from helmchart import rendered

from tierwise_api import Specialist
from tierwise_cli.main import app
from tierwise_core.pod_health import FETCH_FAILURES

PAGE = "docs/sources.md"
DOCUMENTS = [d for text in blocks(PAGE, "yaml") for d in yaml.safe_load_all(text)]


def test_the_manifests_are_valid() -> None:
    specialists = [d for d in DOCUMENTS if d.get("kind") == "Specialist"]
    secrets = {d["metadata"]["name"] for d in DOCUMENTS if d.get("kind") == "Secret"}
    assert specialists
    for document in specialists:
        seen = Specialist.from_cluster(document)
        assert seen.spec.model is not None
        assert seen.spec.model.secret_ref is not None
        assert seen.spec.model.secret_ref.name in secrets


@pytest.mark.parametrize("call", list(commands(PAGE, "tierwise")), ids=" ".join)
def test_the_commands_are_taken(call: list[str]) -> None:
    program = typer.main.get_command(app)
    with program.make_context("tierwise", list(call)) as context:
        words = [*context._protected_args, *context.args]
        name, command, rest = program.resolve_command(context, words)
        assert command is not None
        assert command.make_context(name, rest)


@pytest.mark.apiserver
def test_the_values_are_the_chart_s() -> None:
    values = [d for d in DOCUMENTS if "kind" not in d]
    assert values
    for document in values:
        assert rendered(document)


def test_every_reason_is_explained() -> None:
    text = (ROOT / PAGE).read_text()
    told = {*FETCH_FAILURES, "CacheFetching"} - {"LoadFailed", "UnsupportedSource"}
    assert {reason for reason in told if f"`{reason}`" not in text} == set()
