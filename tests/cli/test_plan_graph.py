"""`tierwise plan graph`: the tree, its JSON, and profiles that make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from docblocks import ROOT
from typer.testing import CliRunner

from tierwise_cli.main import app

EXAMPLE = ROOT / "examples/graphs/support-desk.yaml"


def graph(*arguments: object, stdin: str | None = None) -> Result:
    env = {"NO_COLOR": "1", "KUBECONFIG": "/nonexistent"}
    return CliRunner().invoke(app, ["plan", "graph", *map(str, arguments)], input=stdin, env=env)


def decisions(node: dict[str, Any]) -> dict[str, str]:
    found = {node["field"]: node["decision"]}
    for child in node["children"]:
        found |= decisions(child)
    return found


def advised(*arguments: object, stdin: str | None = None) -> dict[str, str]:
    told = graph(*arguments, "--output", "json", stdin=stdin)
    assert told.exit_code == 0, told.output
    (root,) = json.loads(told.stdout)["graphs"]
    return decisions(root)


def profile(**graph_fields: Any) -> str:
    return yaml.safe_dump({"gpu": {"memory": "24Gi"}, "graph": {"field": "law"} | graph_fields})


def test_the_example_shows_every_kind_of_advice_but_one() -> None:
    assert advised("-f", EXAMPLE) == {
        "support": "Branch",
        "billing": "FitsOneGPU",
        "technical": "Branch",
        "networking": "FitsOneGPU",
        "accounts": "FitsOneGPU",
        "printers": "KeepWithParent",
        "contracts": "Consistent",
        "complaints": "MeasureFirst",
    }


def test_a_larger_gpu_branches_less() -> None:
    assert advised("-f", EXAMPLE, "--tier", "b200") == {"support": "FitsOneGPU"}


def test_a_field_without_subfields_is_asked_for_them() -> None:
    text = profile(parameters="70G", contradictionRate=0.05)
    assert advised("-f", "-", stdin=text) == {"law": "NameSubfields"}


def test_the_tree_fits_a_page_and_ends_with_what_to_do() -> None:
    told = graph("-f", EXAMPLE)

    assert "├── billing (38.3% of the requests)  stop: fits one GPU" in told.stdout
    assert "On one rtx-4090 each: billing, networking, accounts (3 GPUs, 1.20 USD/h" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("words", "has no graph"),
        ("graph: {feld: law}", "graph.field: Field required"),
        (profile(color="red"), "graph.color: unknown field"),
        (profile(contradictionRate=2), "graph.contradictionRate"),
        (profile(parameters="many"), "graph.parameters"),
        (profile(children=[{"field": "law"}]), "there is a field 'law' at /law already"),
        (profile(volume=1, children=[{"field": "a", "volume": 2}]), "give the field at least"),
        ("{gpu: {memory: 24Gi}}", "has no graph"),
        ("graph: {field: law}", "no GPU is named"),
        ("{gpu: {tier: rtx-409}, graph: {field: law}}", "did you mean rtx-4090?"),
        ("graph: [", "is no YAML"),
    ],
)
def test_a_profile_that_makes_no_sense_exits_with_2(text: str, told: str) -> None:
    refused = graph("-f", "-", stdin=text)

    assert refused.exit_code == 2, refused.output
    assert told in refused.stderr.replace("\n", " ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused = graph("-f", tmp_path / "none.yaml")

    assert refused.exit_code == 2
    assert "none.yaml: cannot be read" in refused.stderr.replace("\n", " ")


def test_neither_file_nor_cluster_says_both_ways() -> None:
    told = graph().stderr

    assert "-f FILE" in told
    assert "--live" in told
