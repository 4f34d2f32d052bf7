"""What docs/rollouts.md shows is what is printed; its YAML, and that of examples/, is right."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docblocks import ROOT, blocks, commands
from docscenes import printed
from typer.testing import CliRunner

from tierwise_api import KINDS
from tierwise_cli.main import app
from tierwise_cli.rollouts.following import recorded
from tierwise_cli.rollouts.picture import picture
from tierwise_core.examining.questions import read_questions
from tierwise_core.rollout.stages import Stage

PAGE = ROOT / "docs/rollouts.md"
FIGURES = ROOT / "docs/decisions/bets-instead-of-means.md"
RECORDING = ROOT / "examples/rollouts/recorded.jsonl"
PICTURE = ROOT / "docs/rollout-watch.svg"
SHOWN = re.compile(r"```sh\n(tierwise simulate[^\n]+)\n```\n\n```text\n(.*?)```", re.DOTALL)
WRITES = bool(os.environ.get("TIERWISE_WRITE_DOCS"))
MODELS = {kind.__name__: kind for kind in KINDS}


def test_the_simulation_prints_what_the_page_says() -> None:
    text = PAGE.read_text()
    (shown,) = SHOWN.finditer(text)
    found = printed(shown[1])
    if WRITES:
        PAGE.write_text(text[: shown.start(2)] + found + text[shown.end(2) :])
        return
    assert shown[2] == found


def test_the_picture_is_that_of_the_recording() -> None:
    drawn = picture(list(recorded(RECORDING)))
    if WRITES:
        PICTURE.write_text(drawn)
    assert PICTURE.read_text() == drawn


@pytest.mark.parametrize("rule", ["tierwise", "tierwise, stages"])
def test_the_figures_keep_the_bounds_that_the_page_promises(rule: str) -> None:
    lines = FIGURES.read_text().splitlines()
    rows = [line.split("|")[1:-1] for line in lines if f"| {rule} |" in line]
    ours = {row[0].strip(): [cell.strip() for cell in row] for row in rows}

    assert _percent(ours["delta worse"][2]) <= 1
    assert _percent(ours["equal"][3]) <= 5
    assert int(ours["broken"][6].split(", ")[1]) <= 20


def test_the_page_knows_every_stage() -> None:
    table = PAGE.read_text().split("## The stages")[1].split("## What decides")[0]

    assert {stage.value for stage in Stage} <= set(re.findall(r"`(\w+)`", table))


@pytest.mark.parametrize("words", list(commands("docs/rollouts.md", "tierwise")), ids=" ".join)
def test_every_command_of_the_page_is_one(words: list[str]) -> None:
    told = CliRunner().invoke(app, [*words, "--help"])

    assert told.exit_code == 0, told.output


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    texts = [("the page", text) for text in blocks("docs/rollouts.md", "yaml")]
    texts += [(path.name, path.read_text()) for path in _examples()]
    for name, text in texts:
        for body in yaml.safe_load_all(text):
            yield f"{name}: {body['kind']} {body['metadata']['name']}", body


def _examples() -> list[Path]:
    return sorted((ROOT / "examples/rollouts").glob("*.yaml"))


@pytest.mark.parametrize(
    "body", [pytest.param(body, id=name) for name, body in documents() if body["kind"] in MODELS]
)
def test_every_resource_is_right(body: dict[str, Any]) -> None:
    MODELS[body["kind"]].model_validate(body)


def test_the_held_out_questions_of_the_examples_can_be_read() -> None:
    sets = [body for _, body in documents() if body["kind"] == "ConfigMap"]
    texts = [
        (body["metadata"]["name"], text)
        for body in sets
        for name, text in body["data"].items()
        if name.endswith(".jsonl")
    ]

    assert texts
    for name, text in texts:
        assert read_questions(text, "refusal" if name == "refusals" else "exact", 1000)


def _percent(cell: str) -> float:
    return float(cell.removesuffix(" %"))
