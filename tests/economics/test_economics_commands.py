"""`tierwise economics` as people and programs run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tierwise_cli.main import app

EXAMPLES = Path(__file__).parents[2] / "examples" / "economics"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


def run(*words: str, given: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["economics", *words], input=given)
    return done.exit_code, done.output


@pytest.mark.parametrize("name", NAMES)
def test_every_example_gives_a_table_and_json(name: str) -> None:
    code, table = run(name, str(EXAMPLES / f"{name}.yaml"))
    assert code == 0, table
    assert max(map(len, table.splitlines())) <= 100
    assert "…" not in table

    code, text = run(name, str(EXAMPLES / f"{name}.yaml"), "--output", "json")
    assert code == 0
    assert json.loads(text)


def test_there_is_an_example_for_every_command() -> None:
    _, help_page = run("--help")
    assert all(f" {name} " in help_page for name in NAMES)
    assert len(NAMES) == 9


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        ("gate", "serverlessUSDPerAccepted: -1", "serverlessUSDPerAccepted is -1; give a number"),
        ("gate", "serverlessUSDPerAccepted: 1", "dedicated is missing; give its fields"),
        ("gate", "serverlessUSDPerAccepted: .nan\ndedicated: {usdPerHour: 1, acceptedPerHour: 1}",
         "serverlessUSDPerAccepted is nan; give a number"),
        ("gate", ("serverlessUSDPerAccepted: 1\ndedicated: {usdPerHour: 1, acceptedPerHour: 1}\n"
         "patterns: [{name: x, hours: [1, 2]}]"), "patterns[0].hours has 2 values; give 24 or 168"),
        ("fanout", "large: {name: a}", "large.gpus is missing; give a whole number of at least 1"),
        ("fanout", "[]", "the file is []; give the fields large, small, escalatedShare"),
        ("fanout", "large: {nam: a}", "large.nam is no field of this; did you mean name?"),
        ("payback", "gates: {eval: true}", "gates.eval is no field of this; did you mean evalSet?"),
        ("consensus", "settings: [{name: a, faults: 1, deltaMs: 2, protocol: raft}]",
         "settings[0].protocol is 'raft'; give one of PBFT, HotStuff, Majority"),
        ("consensus", "settings: [{name: a, faults: 0.5, deltaMs: 2}]",
         "settings[0].faults is 0.5; give a whole number"),
        ("routefit", "routes: [a]\nbaseline: b\nworkloads: []", "baseline is 'b'; give one of a"),
        ("routefit", ("routes: [a]\nbaseline: a\nworkloads: [{name: w, acceptedPerMonth: 1, "
         "cells: {a: {}}}]"), "workloads[0].cells.a.usdPerAccepted, traces and out: 0 of them"),
        ("finetune", "usdPerAccepted: 1\nacceptedPerMonth: 1\ntraining: {usd: 1}",
         "reduction and tunedUSDPerAccepted: neither is given; give one"),
        ("finetune", ("usdPerAccepted: 1\nacceptedPerMonth: 1\nreduction: 0.1\n"
         "training: {examples: 1, tokensPerExample: 1, parametersBillion: 400}"),
         "training.parametersBillion is 400; over 100 give usdPerMillionTokens"),
        ("funnel", ("workload: {name: w}\ncandidates: [{name: a, route: r, "
         "screen: {cases: 10, passed: 11}}]"), "candidates[0].screen.passed is 11 of 10 cases"),
        ("latency-tiers", ("traffic: [{name: a, requestsPerMonth: 1, usdPerRequest: 1, "
         "toleratesSeconds: 0, served: later}]"), "traffic[0].served is 'later'; give one of"),
        ("self-managed", "gpus: yes", "gpus is True; give a whole number"),
        ("gate", "a: [", "line 1, column 5: "),
        ("gate", f"serverlessUSDPerAccepted: 1{400 * '0'}", "give a number of at most 1e+18"),
        ("fanout", "large: {usdPerGPUHour: 1.0e-320}", "and 0 for less than 1e-18"),
        ("consensus", f"settings: [{{name: a, faults: 1{400 * '0'}, deltaMs: 2}}]",
         "give a number of at most 1e+18"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_its_field(command: str, given: str, said: str) -> None:
    code, output = run(command, "-", "-o", "json", given=given)

    assert code == 2
    assert said in json.loads(output)["error"]["message"]


def test_every_problem_is_told_at_once() -> None:
    _, output = run("fanout", "-", given="large: {gpus: 0}\nsmall: 3")

    for said in ("large.gpus is 0", "large.name is missing", "small is 3", "docs/economics.md"):
        assert said in output


def test_without_a_file_it_says_what_to_give() -> None:
    code, output = run("gate")

    assert code == 2
    assert "examples/economics/" in output


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, output = run("gate", str(tmp_path / "none.yaml"), "-o", "json")

    assert code == 2
    said = json.loads(output)["error"]["message"]
    assert said.endswith("none.yaml: cannot be read: No such file or directory")
