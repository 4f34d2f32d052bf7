"""What a newcomer gets wrong is told with its place, its value and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from docblocks import ROOT
from typer.testing import CliRunner

from tierwise_api import KINDS
from tierwise_cli.main import app

QUICKSTART = ROOT / "examples" / "quickstart"
MISTAKES = """
apiVersion: tierwise.dev/v1alpha1
kind: Specialist
metadata: {name: sorter}
spec:
  field: sorting
  model: {source: "hff://acme/sorter", maxModelLen: -4}
  routing: {verifierz: [numeric]}
"""


def refused(*arguments: object, stdin: str | None = None) -> str:
    """What the command says, on one line and without the spaces of its layout."""
    env = {"NO_COLOR": "1", "KUBECONFIG": "", "HOME": "/nonexistent", "TIERWISE_LEDGER_URL": ""}
    done = CliRunner().invoke(app, list(map(str, arguments)), input=stdin, env=env)
    assert done.exit_code in {1, 2}, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return " ".join(done.output.split())


def test_every_mistake_of_a_manifest_is_told_with_its_file() -> None:
    said = refused("plan", "-f", "-", "--offline", stdin=MISTAKES)

    assert "standard input: Specialist sorter" in said
    assert 'got "hff://acme/sorter"' in said
    assert "spec.model.maxModelLen: Input should be greater than or equal to 1; got -4" in said
    assert "spec.routing.verifierz: unknown field" in said


def test_models_that_only_the_nodes_have_are_asked_for_by_option() -> None:
    said = refused("plan", "-f", QUICKSTART, "--nodes", "rtx-4090=1x4", "--nodes", "h100=1x2")

    assert "there is no directory /models/sorter on this machine" in said
    assert "--model-root /models=DIR" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("plan", "--live"), "there is no kubeconfig ~/.kube/config"),
        (("classify", "--routes", "nowhere.yaml", "x"), "--routes nowhere.yaml: there is no such"),
        (("plan", "graph", "-f", QUICKSTART / "tiers.yaml"), "a second document begins here"),
        (("audit", "verify", "--database", "sqlite:///none.db"), "no database file 'none.db' Fix"),
    ],
)
def test_the_message_says_what_and_where(arguments: tuple[object, ...], told: str) -> None:
    assert told in refused(*arguments)


def test_specialists_without_examples_are_asked_for_them(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")

    assert "Fix: give them spec.routing.examples" in refused(
        "classify", "--routes", tmp_path / "empty.yaml", "sort dbca"
    )


def test_definitions_are_a_list_for_programs() -> None:
    found = CliRunner().invoke(app, ["crds", "--output", "json"]).stdout
    plain = CliRunner().invoke(app, ["crds"]).stdout

    listed = json.loads(found)["items"]
    assert [one["spec"]["names"]["kind"] for one in listed] == [kind.__name__ for kind in KINDS]
    assert list(yaml.safe_load_all(plain)) == listed
