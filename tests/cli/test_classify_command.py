"""`tierwise classify` trains on labelled questions, judges on others, and tells who voted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tierwise_cli.main import app

ROOT = Path(__file__).parents[2]
QUESTIONS = ROOT / "examples" / "models" / "questions"
ROUTES = ROOT / "examples" / "laptop" / "routes.yaml"


def told(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(
        app, ["classify", *arguments], env={"NO_COLOR": "1", "COLUMNS": "120"}
    )
    assert done.exit_code == code, done.output
    return done.output


def rows(path: Path, *found: Any) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in found]
    path.write_text("\n".join(lines) + "\n")
    return path


def of(field: str | None, *texts: str) -> list[dict[str, str | None]]:
    return [{"text": text, "field": field} for text in texts]


SORTING = of("sorting", "sort dbca", "sort the letters of qca", "put xab in order", "sort zyx")
ADDING = of("adding", "17+25", "what is 3+4", "add 3 and 4", "the sum of 5 and 6")


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    return rows(tmp_path / "a.jsonl", *SORTING, *ADDING)


def held_out(tmp_path: Path) -> Path:
    found = [
        {"text": json.loads(line)["question"], "field": field}
        for family, field in (("sorting", "sorting"), ("arithmetic", "adding"), ("outside", None))
        for line in (QUESTIONS / f"{family}.jsonl").read_text().splitlines()[:60]
    ]
    return rows(tmp_path / "b.jsonl", *found)


def test_figures_are_those_of_the_held_out_questions(learned: Path, tmp_path: Path) -> None:
    said = json.loads(told("--examples", str(learned), "--test", str(held_out(tmp_path)), "-o",
                           "json"))  # fmt: skip

    assert said["rows"] == {"in_domain": 120, "out_of_domain": 60}
    assert said["accuracy"] >= 0.95
    assert said["macro_f1"] >= 0.95
    assert said["out_of_domain_auroc"] >= 0.95
    assert 0.5 <= said["rejection_at_95_kept"] <= 1.0
    assert set(said["fields"]) == {"adding", "sorting"}
    spent = said["microseconds_per_query"]
    assert 0 < spent["p50"] <= spent["p99"]
    assert said["problems"] == []


def test_a_person_sees_fields_and_what_is_confused(learned: Path, tmp_path: Path) -> None:
    wrong = rows(tmp_path / "b.jsonl", *of("adding", "sort zyx", "3+4"), *of(None, "hello you"))

    shown = told("--examples", str(learned), "--test", str(wrong))

    assert "accuracy" in shown
    assert "out-of-domain AUROC" in shown
    assert "Most confused" in shown
    assert "adding  sorting" in shown.replace("    ", "  ")


def test_bad_rows_are_named_by_file_and_line(learned: Path, tmp_path: Path) -> None:
    test = rows(
        tmp_path / "b.jsonl",
        '{"text": "sort ab"',
        {"text": 7, "field": "sorting"},
        {"text": "sort ab"},
        ["sort ab"],
        *of("sorting", "sort zyx"),
    )

    said = json.loads(told("--examples", str(learned), "--test", str(test), "-o", "json"))

    assert [problem.split(":")[1] for problem in said["problems"]] == ["1", "2", "3", "4"]
    assert all("b.jsonl" in problem for problem in said["problems"])
    assert "'text' is 7; give the question as a string" in said["problems"][1]
    assert said["rows"]["in_domain"] == 1


def test_without_outsiders_the_domain_has_no_figure(learned: Path, tmp_path: Path) -> None:
    test = rows(tmp_path / "b.jsonl", *of("sorting", "sort zyx"))

    said = json.loads(told("--examples", str(learned), "--test", str(test), "-o", "json"))

    assert said["out_of_domain_auroc"] is None
    assert said["rejection_at_95_kept"] is None


def test_a_text_is_told_its_field_and_who_voted() -> None:
    said = json.loads(told("--routes", str(ROUTES), "sort the letters zyx", "-o", "json"))

    assert said["field"] == "sorting"
    assert said["fields"][0]["votes"][0]["word"] in {"sort", "letters"}
    assert "sorting:" in told("--routes", str(ROUTES), "sort the letters zyx")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hello",), "give one of --examples FILE, --routes FILE, --live"),
        (("--routes", str(ROUTES)), "nothing to classify"),
        (("--examples", "absent.jsonl", "hello"), "absent.jsonl cannot be read"),
    ],
)
def test_what_is_missing_is_said(arguments: tuple[str, ...], words: str) -> None:
    done = CliRunner().invoke(app, ["classify", *arguments], env={"NO_COLOR": "1"})

    assert done.exit_code != 0
    assert words in " ".join(done.output.split())


def test_questions_of_nobody_alone_teach_nothing(tmp_path: Path) -> None:
    only = rows(tmp_path / "a.jsonl", *of(None, "hello"))

    done = CliRunner().invoke(app, ["classify", "--examples", str(only), "hello"])

    assert done.exit_code != 0
    assert "has a field" in " ".join(done.output.split())
