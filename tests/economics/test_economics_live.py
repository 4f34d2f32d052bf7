"""Economics from the live ledger: what a file leaves out is what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from seen_ledger import TOKEN, day, fill, served
from typer.testing import CliRunner

from tierwise_cli.main import app

PRICES = {"serverlessUSDPerAccepted": 1.0, "dedicated": {"usdPerHour": 3.2, "acceptedPerHour": 40}}
TARGET = {"target": {"usdPerAccepted": 0.2, "evidence": "measured"}, "migrationUSD": {"work": 900}}
ADAPTER = {"training": {"usd": 30}, "reduction": 0.05}


def accepted_by_hand(field: str) -> int:
    rows = list(day())
    wrong = {row["decision"] for row in rows if row["kind"] == "feedback" and not row["accepted"]}
    return sum(
        row["field"] == field
        and row["state"] in {"accepted", "escalated"}
        and row["id"] not in wrong
        for row in rows
        if row["kind"] == "decision"
    )


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from served(tmp_path_factory.mktemp("ledger"), fill)


def run(ledger: str, *words: str) -> Any:
    done = CliRunner().invoke(
        app,
        ["economics", *words, "--ledger", ledger, "--since", "24h", "-o", "json"],
        env={"TIERWISE_LEDGER_TOKEN": TOKEN},
    )
    return json.loads(done.stdout)


def write(folder: Path, figures: dict[str, Any]) -> str:
    file = folder / "figures.yaml"
    file.write_text(yaml.safe_dump(figures))
    return str(file)


def test_the_matrix_has_the_fields_over_the_tiers_that_answered_them(ledger: str) -> None:
    said = run(ledger, "routefit")

    assert said["routes"] == ["h100", "rtx-4090"]
    assert [row["name"] for row in said["rows"]] == ["billing", "reversing", "sorting"]
    assert said["measuredCells"] == said["pricedCells"] == 6
    assert all(row["recommended"] == "rtx-4090" for row in said["rows"])
    sorting = said["rows"][2]
    assert sorting["acceptedPerMonth"] == pytest.approx(accepted_by_hand("sorting") * 30)


def test_rows_can_be_tenants(ledger: str) -> None:
    rows = run(ledger, "routefit", "--by", "tenant")["rows"]

    assert {row["name"] for row in rows} == {"demo/team-a", "demo/team-b"}


def test_the_gate_takes_the_load_of_the_day(ledger: str, tmp_path: Path) -> None:
    said = run(ledger, "gate", write(tmp_path, PRICES), "--field", "sorting")
    (row,) = said["rows"]

    assert row["name"] == "sorting, as seen"
    assert row["acceptedPerMonth"] == pytest.approx(accepted_by_hand("sorting") * 30)


def test_payback_and_finetune_start_from_what_answers_cost(ledger: str, tmp_path: Path) -> None:
    moved = run(ledger, "payback", write(tmp_path, TARGET))
    tuned = run(ledger, "finetune", write(tmp_path, ADAPTER))

    assert moved["savedUSDPerMonth"] > 0
    assert moved["months"] > 0
    assert tuned["savedUSDPerMonth"] > 0


def test_the_file_comes_before_the_ledger(ledger: str, tmp_path: Path) -> None:
    own = {**TARGET, "current": {"usdPerAccepted": 0.2}, "acceptedPerMonth": 10}

    assert run(ledger, "payback", write(tmp_path, own))["savedUSDPerMonth"] == 0


def test_traffic_that_nobody_waits_for_is_found_and_can_be_named(
    ledger: str, tmp_path: Path
) -> None:
    said = run(ledger, "latency-tiers")
    name = said["rows"][0]["name"]
    named = run(ledger, "latency-tiers", write(tmp_path, {"toleratesSeconds": {name: 0}}))

    assert said["shares"]["batch"] == 1.0
    assert said["rows"][0]["evidence"] == "estimated"
    assert named["shares"]["realtime"] == 1.0


def test_nothing_accepted_has_no_price(ledger: str, tmp_path: Path) -> None:
    said = run(ledger, "payback", write(tmp_path, TARGET), "--field", "cooking")

    assert "no accepted answer in this time" in said["error"]["message"]


def test_a_wrong_token_and_a_wrong_row_are_named(ledger: str) -> None:
    refused = CliRunner().invoke(
        app, ["economics", "routefit", "--ledger", ledger], env={"TIERWISE_LEDGER_TOKEN": "guess"}
    )

    assert refused.exit_code == 1
    assert "asks for its token" in refused.output
    assert "--by is 'colour'" in run(ledger, "routefit", "--by", "colour")["error"]["message"]
