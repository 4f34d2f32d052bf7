"""What docs/cost.md and docs/budgets.md show is what commands print and the API takes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from docblocks import ROOT, blocks, commands
from ledger_socket import listening
from ledgers import Clock, Served
from money_story import UNTIL, a_story
from typer.testing import CliRunner

from tierwise_api import Tenant
from tierwise_cli.main import app
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

COST, BUDGETS = "docs/cost.md", "docs/budgets.md"
ENVIRONMENT = {"KUBECONFIG": "/nonexistent", "NO_COLOR": "1"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Served]:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    served = Served(store, clock=Clock(UNTIL))
    yield served
    store.close()


def test_the_report_is_what_the_command_prints(ledger: Served) -> None:
    a_story(ledger)
    shown = blocks(COST, "text")[0]
    [call] = commands(COST, "tierwise")
    with listening(ledger.store, Settings(), UNTIL) as url:
        said = CliRunner().invoke(app, [*call, "--ledger", url], env=ENVIRONMENT)
    printed = "".join(f"{line.rstrip()}\n" for line in said.output.splitlines())
    if os.environ.get("TIERWISE_WRITE_DOCS"):
        page = ROOT / COST
        page.write_text(page.read_text().replace(shown, printed))
    else:
        assert printed == shown


def test_the_ledger_takes_what_programs_post(ledger: Served) -> None:
    calls = blocks(COST, "bash")
    assert len(calls) == 2
    for call in calls:
        path = call.split()[1].removeprefix("$TIERWISE_LEDGER_URL")
        body = json.loads(call[call.index("'") + 1 : call.rindex("'")])
        answer = ledger.client.post(path, json=body)
        assert answer.status_code == 200, answer.text


def test_the_tenant_is_one() -> None:
    [block] = blocks(BUDGETS, "yaml")
    tenant = Tenant.model_validate(yaml.safe_load(block))
    assert tenant.spec.budgets.on_exhausted == "Cheaper"


def test_every_command_is_one_the_program_takes() -> None:
    calls = list(commands(BUDGETS, "tierwise"))
    assert len(calls) == 4
    program = typer.main.get_command(app)
    for words in calls:
        found = program
        while hasattr(found, "commands"):
            found = found.commands[words.pop(0)]
        assert found.make_context("tierwise", words)
