"""Every output on docs/audit.md and docs/learning.md is what the commands above it print.

``TIERWISE_WRITE_DOCS=1 pytest tests/insight/test_learning_pages.py`` writes the outputs anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docblocks import ROOT
from ledger_socket import listening
from typer.testing import CliRunner

from tierwise_cli.main import app
from tierwise_core.query_features import feature_row
from tierwise_ledger.auditing.checkpoints import seal
from tierwise_ledger.ingest import ingest
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

SHOWN = re.compile(
    r"^```sh\n(?P<commands>.*?)^```\n(?:\n```(?:text|json|yaml)\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
WRITES = bool(os.environ.get("TIERWISE_WRITE_DOCS"))
DAY_S = 86_400.0
NOON = 1_750_000_000.0


def a_decision(number: int, **changed: Any) -> dict[str, Any]:
    """A row that stays as it is here: the pages show digests of it."""
    step = {
        "specialist": "demo/sorter", "tier": "rtx-4090", "revision": "r1", "own_field": "sorting",
        "predicted": 0.91, "confidence": 0.95, "floor": 0.85, "verdict": "accept", "seconds": 0.2,
        "cost_usd": 0.000022, "input_tokens": 12, "output_tokens": 5,
    } | changed.pop("step", {})  # fmt: skip
    return {
        "kind": "decision", "id": f"d-pod-one-{number:06x}", "at": NOON + number, "model": "auto",
        "tenant": "demo/team-a", "query_id": f"q-{number % 7}", "field": "sorting",
        "steps": [step], "state": "accepted", "status": 200, "specialist": "demo/sorter",
        "calls": 1, "cost_usd": 0.000022, "seconds": 0.25,
    } | changed  # fmt: skip


def a_word(number: int, **said: Any) -> dict[str, Any]:
    return {"kind": "feedback", "decision": f"d-pod-one-{number:06x}", "at": NOON} | said


def of_the_audit() -> Iterator[dict[str, Any]]:
    yield from (a_decision(number) for number in range(9))
    yield a_word(2, accepted=False, corrected="abcd")


def of_learning() -> Iterator[dict[str, Any]]:
    """A sorter that is too sure of itself, whose questions were shorter three days ago."""
    for number in range(150):
        yield a_decision(
            number, id=f"d-then-{number}", at=NOON - 3 * DAY_S + number, query_id="",
            features=feature_row("sort dbca"),
            step={"confidence": 0.95, "verified": True, "revision": "r1"},
        )  # fmt: skip
    for number in range(400):
        right = number % 50 >= 20 or number % 3 == 0
        yield a_decision(
            number, query_id=f"q-{number // 4 % 25}",
            features=feature_row("sort the letters of this rather long word: " + "dbca" * 9),
            step={
                "confidence": 0.5 + (number % 50) / 100, "verified": right, "revision": "r2",
                "answer_id": "right" if right else f"wrong-{number % 2}",
            },
        )  # fmt: skip
    yield a_word(7, accepted=False, corrected="abcd")


@pytest.fixture(params=["audit", "learning"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A page, with a ledger that knows what it speaks of, in an empty folder."""
    key = tmp_path / "key"
    key.write_text("7" * 64)
    settings = Settings(audit_key_file=str(key))
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    rows = of_the_audit() if request.param == "audit" else of_learning()
    with store.begin() as connection:
        ingest(connection, tuple(rows), received_at=NOON)
    seal(store, settings, NOON)
    (tmp_path / "kept.jsonl").write_text(
        json.dumps(
            {
                "decision": "d-pod-one-000007",
                "messages": [{"role": "user", "content": "sort dbca"}],
                "answers": {"0": "dcba"},
            }
        )
    )
    with listening(store, settings, NOON + 3600) as url:
        yield ROOT / f"docs/{request.param}.md", url
    store.close()


def test_the_page_shows_what_its_commands_print(
    page: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, url = page
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIERWISE_LEDGER_URL", url)
    said = path.read_text()
    for found in list(SHOWN.finditer(said)):
        printed = "".join(run(line) for line in found["commands"].splitlines())
        if found["output"] is None:
            continue
        printed = printed.replace(str(tmp_path), "")
        if WRITES:
            before = found[0][: found.start("output") - found.start()]
            said = said.replace(found[0], f"{before}{printed}```", 1)
        else:
            assert found["output"] == printed
    if WRITES:
        path.write_text(said)


def run(line: str) -> str:
    """Run one line of a page; what is written to a file is not printed."""
    words = shlex.split(line)
    if words[0] == "cp":
        with sqlite3.connect(words[1]) as ours, sqlite3.connect(words[2]) as theirs:
            ours.backup(theirs)
        return ""
    if words[0] == "sqlite3":
        with sqlite3.connect(words[1]) as tampered:
            assert tampered.execute(words[2]).rowcount == 1
        return ""
    if words[0] == "curl":
        return ""
    target = words[words.index(">") + 1] if ">" in words else ""
    arguments = words[1 : words.index(">")] if target else words[1:]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code in {0, 1}, done.output
    if target:
        Path(target).write_text(done.stdout)
        return ""
    return done.stdout
