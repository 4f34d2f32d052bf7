"""`tierwise replay` as people and programs run it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from outcome_logs import rows, write_log
from typer.testing import CliRunner

from tierwise_cli.main import app

SAID = (
    "APGR",
    "CPT50",
    "always large (best single)",
    "field table",
    "cluster table",
    "random",
    "oracle",
    "Among all 3 models",
    "Calibration",
    "* tierwise",
)


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    train = write_log(tmp_path / "train.jsonl", rows(300, 1, ("small", "adder", "large")))
    test = write_log(tmp_path / "test.jsonl", rows(200, 2, ("small", "adder", "large")))
    return ["replay", "--train", str(train), "--test", str(test)]


def test_people_see_the_figures_the_baselines_and_the_curve(logs: list[str]) -> None:
    result = CliRunner().invoke(app, [*logs, "--cheap", "small", "--strong", "large"])

    assert result.exit_code == 0, result.output
    for said in SAID:
        assert said in result.output


def test_programs_get_one_object(logs: list[str]) -> None:
    result = CliRunner().invoke(app, [*logs, "--models", "small, large", "--output", "json"])

    said = json.loads(result.stdout)
    assert set(said["models"]) == {"small", "large"}
    assert said["cheap"] == "small"
    assert said["strong"] == "large"
    assert {"apgr", "cpt50", "cpt80", "brier", "ece", "threshold", "curve"} <= said.keys()
    assert len(said["curve"]) == 21


def test_a_lower_quality_to_keep_costs_less(logs: list[str]) -> None:
    def cost(*more: str) -> float:
        run = CliRunner().invoke(app, [*logs, "--models", "small,large", "-o", "json", *more])
        return float(json.loads(run.stdout)["threshold"]["cost_usd"])

    assert cost("--keep", "0.8") < cost()


def test_the_chart_is_a_picture(logs: list[str], tmp_path: Path) -> None:
    chart = tmp_path / "curve.svg"

    CliRunner().invoke(app, [*logs, "--chart", str(chart)])

    root = ET.fromstring(chart.read_text())  # noqa: S314 - our own picture
    assert root.tag.endswith("svg")
    assert any("APGR" in (text.text or "") for text in root.iter())


def test_bad_rows_are_named_by_file_and_line(logs: list[str], tmp_path: Path) -> None:
    with (tmp_path / "test.jsonl").open("a") as file:
        file.write('{"query": 3}\n' * 30)

    result = CliRunner().invoke(app, [*logs, "-o", "json"])

    problems = json.loads(result.stdout)["problems"]
    assert problems[0].endswith("test.jsonl:201: query is 3; give the text")
    assert problems[-1].endswith("test.jsonl: and 10 more rows")


def test_what_cannot_be_replayed_says_why(logs: list[str]) -> None:
    result = CliRunner().invoke(app, [*logs, "--strong", "huge", "-o", "json"])

    assert result.exit_code != 0
    assert "no row has an outcome of 'huge'" in json.loads(result.stdout)["error"]["message"]
