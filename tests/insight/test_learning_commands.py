"""`tierwise audit`, `calibrate`, `claims`, `drift` and `export`, against a real ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ledger_socket import listening
from ledgers import NOON, a_decision, a_word
from typer.testing import CliRunner

from tierwise_cli.main import app
from tierwise_core.query_features import feature_row
from tierwise_core.training_rows import held_out
from tierwise_ledger.ingest import ingest
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

DAY_S = 86_400.0


@dataclass
class Ran:
    code: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Scene:
    store: Store
    path: Path
    url: str

    def run(self, *words: str) -> Ran:
        found = CliRunner().invoke(app, list(words), env={"TIERWISE_LEDGER_URL": self.url})
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return Ran(found.exit_code, found.stdout + found.stderr)

    def take(self, *rows: dict[str, Any]) -> None:
        with self.store.begin() as connection:
            ingest(connection, rows, received_at=NOON)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    path = tmp_path / "ledger.db"
    store = Store.open(f"sqlite:///{path}")
    with listening(store, Settings(), NOON + 3600) as url:
        yield Scene(store, path, url)
    store.close()


def test_a_tampered_copy_of_the_database_is_found_and_the_record_named(scene: Scene) -> None:
    scene.take(*(a_decision(number) for number in range(9)))
    assert scene.run("audit", "verify").code == 0
    copy = scene.path.with_name("copy.db")
    with sqlite3.connect(scene.path) as ours, sqlite3.connect(copy) as theirs:
        ours.backup(theirs)
    address = f"sqlite:///{copy}"
    assert scene.run("audit", "verify", "--database", address).code == 0

    with sqlite3.connect(copy) as tampered:
        tampered.execute(
            "UPDATE audit_records SET body = replace(body, '2.2e-05', '1.1e-05') WHERE seq = 6"
        )

    ran = scene.run("audit", "verify", "--database", address)
    assert ran.code == 1
    assert "record 6 (d-pod-one-000006) was changed" in ran.text


def test_a_tampered_export_is_found_and_one_cut_short_by_its_anchor(
    scene: Scene, tmp_path: Path
) -> None:
    scene.take(*(a_decision(number) for number in range(4)))
    older, newer = tmp_path / "older.jsonl", tmp_path / "newer.jsonl"
    assert "lines in" in scene.run("audit", "export", "--file", str(older)).text
    scene.take(*(a_decision(number) for number in range(4, 9)))
    scene.run("audit", "export", "--file", str(newer))
    lines = newer.read_text().splitlines(keepends=True)
    key = next(iter(json.loads(lines[0])["keys"].values()))

    whole = scene.run("audit", "verify", str(newer), "--key", key, "--anchors", str(older))
    assert whole.code == 0, whole.text
    other = scene.run("audit", "verify", str(newer), "--key", "11" * 32)
    assert other.code == 1
    at = next(number for number, line in enumerate(lines) if '"seq":5' in line)
    (tmp_path / "dropped.jsonl").write_text(
        "".join(
            [*lines[:at], *lines[at + 1 : -1], lines[-1].replace("12", "11").replace("13", "12")]
        )
    )
    changed = scene.run("audit", "verify", str(tmp_path / "dropped.jsonl"))
    assert changed.code == 1
    assert "record 5 is missing between record 4 and record 6" in changed.text
    cut = scene.run("audit", "verify", str(older), "--anchors", str(newer))
    assert cut.code == 1
    assert "missing at the end" in cut.text


def test_a_proof_is_made_and_checked_and_a_forged_one_refused(scene: Scene, tmp_path: Path) -> None:
    scene.take(*(a_decision(number) for number in range(5)))
    ran = scene.run("audit", "prove", "d-pod-one-000003")
    proof = tmp_path / "proof.json"
    proof.write_text(ran.text)

    assert "record 3 of decisions (d-pod-one-000003): holds" in (
        scene.run("audit", "prove", "--check", str(proof)).text
    )
    proof.write_text(ran.text.replace("demo/sorter", "demo/nobody"))
    forged = scene.run("audit", "prove", "--check", str(proof), "-o", "json")
    assert (forged.code, forged.json["holds"]) == (1, False)
    unknown = scene.run("audit", "prove", "d-none")
    assert unknown.code == 1
    assert "no record about 'd-none'" in unknown.text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("audit", "verify", "--key", "short"), "--key is 'short'; give a public key"),
        (("audit", "prove"), "neither ID nor --check"),
        (("calibrate", "--apply"), "neither a SPECIALIST nor --allowed"),
        (("calibrate", "demo/nobody"), "knows no answers of demo/nobody"),
        (("export", "csv", "--contents", "/dev/null"), ""),
        (("drift", "--since", "soon"), "since is 'soon'"),
    ],
)
def test_what_makes_no_sense_is_told_so(scene: Scene, words: tuple[str, ...], says: str) -> None:
    ran = scene.run(*words)

    assert says in ran.text
    assert ran.code in ({1, 2} if says else {0})


def too_sure(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        told = 0.5 + (number % 50) / 100
        right = number % 50 >= 20 or number % 3 == 0
        yield a_decision(number, step={"confidence": told, "verified": right})


def test_a_floor_is_proposed_as_a_patch_with_its_evidence(scene: Scene) -> None:
    scene.take(*too_sure(400))

    table = scene.run("calibrate", "--budget", "0.3").text
    patch = scene.run("calibrate", "--budget", "0.3", "--propose").text

    assert "demo/sorter" in table
    assert "0.85 -> 0.65" in table
    assert "# floor 0.85 -> 0.65 for an escalation budget of 30%" in patch
    (change,) = yaml.safe_load_all(patch)
    assert change["kind"] == "Specialist"
    assert change["metadata"]["name"] == "sorter"
    assert change["spec"] == {"routing": {"confidenceFloor": 0.65}}


def test_everybody_is_refitted_one_after_the_other_or_only_those_who_are_named(
    scene: Scene,
) -> None:
    other = {"specialist": "demo/other", "confidence": 0.9, "verified": True}
    scene.take(*too_sure(60), *(a_decision(number, step=other) for number in range(60, 80)))

    def refitted(*words: str) -> list[tuple[str, int]]:
        found = scene.run("calibrate", "--since", "2h", "-o", "json", *words).json
        assert not found["scheduled"]
        return [(one["specialist"], one["answers"]) for one in found["calibrations"]]

    assert refitted() == [("demo/other", 20), ("demo/sorter", 60)]
    assert refitted("demo/other") == [("demo/other", 20)]
    assert refitted("--field", "general") == []
    assert scene.run("calibrate", "demo/nobody", "--since", "2h").code != 0


def test_where_no_floor_is_proposed_none_is_shown(scene: Scene) -> None:
    scene.take(*too_sure(1))

    told = scene.run("calibrate").text

    assert "0.85" in told
    assert "->" not in told
    assert "1 of the" in told


def test_claims_tell_rates_questions_and_who_said_what(scene: Scene) -> None:
    for number, answer in enumerate(("42", "42", "41")):
        scene.take(a_decision(number, query_id="q-1", step={"answer_id": answer}))

    assert "too few" in scene.run("claims").text
    assert "q-1: 2 answers in 3 claims, 1 at odds" in scene.run("claims").text
    assert "d-pod-one-000002" in scene.run("claims", "--query", "q-1").text


def test_drift_alarms_by_its_exit_code(scene: Scene) -> None:
    for begin, text in ((NOON - 3 * DAY_S, "sort dbca"), (NOON, "what is 17 + 25? " * 20)):
        scene.take(
            *(
                a_decision(n, id=f"d-p-{int(begin)}-{n}", at=begin + n, features=feature_row(text))
                for n in range(150)
            )
        )

    ran = scene.run("drift", "--field", "sorting")

    assert ran.code == 1
    assert "major" in ran.text
    assert scene.run("drift", "--specialist", "demo/sorter").code == 0


def a_kept_log(path: Path, count: int) -> Path:
    rows = [
        {
            "decision": f"d-pod-one-{number:06x}",
            "messages": [{"role": "user", "content": f"sort {number}"}],
            "answers": {"0": f"wrong {number}"},
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_weigh_by_field_and_negative_for_what_was_rolled_back(
    scene: Scene, tmp_path: Path
) -> None:
    for number in range(20):
        revision = "r1" if number < 10 else "green"
        scene.take(
            a_decision(number, query_id=f"q{number}", step={"revision": revision}),
            a_word(number, accepted=False, corrected=f"right {number}"),
        )
    scene.take(
        {
            "kind": "audit", "id": "rollout-1", "at": NOON, "stream": "rollouts",
            "action": "rolled-back", "subject": "Rollout/demo/sorter-green",
            "specialist": "demo/sorter", "revision": "green", "reason": "UtilityRegression",
        }
    )  # fmt: skip
    kept = a_kept_log(tmp_path / "kept.jsonl", 20)

    ran = scene.run("export", "dpo", "--contents", str(kept), "--holdout", "0.3")
    tests = scene.run("export", "evals", "--contents", str(kept), "--holdout", "0.3")

    pairs = [json.loads(line) for line in ran.text.splitlines()]
    held = {f"q{number}" for number in range(20) if held_out(f"q{number}", 0.3)}
    assert {row["provenance"]["query"] for row in pairs} == {
        f"q{number}" for number in range(20)
    } - held
    assert {json.loads(line)["provenance"]["query"] for line in tests.text.splitlines()} == held
    for row in pairs:
        bad = row["provenance"]["rejected_revision"] == "green"
        assert row["weight"] == (-1.25 if bad else 1.25)
        assert row["chosen"][0]["content"].startswith("right")
        assert row["rejected"][0]["content"].startswith("wrong")
    assert {row["weight"] for row in pairs} == {1.25, -1.25}


def test_an_export_of_nothing_says_what_it_needs(scene: Scene) -> None:
    assert "spec.contents of the RouterPolicy" in scene.run("export", "dpo").text


def test_right_answers_are_exported_to_imitate(scene: Scene, tmp_path: Path) -> None:
    scene.take(a_decision(0), a_decision(1), a_word(0, accepted=True))
    kept, file = a_kept_log(tmp_path / "kept.jsonl", 2), tmp_path / "sft.jsonl"

    ran = scene.run("export", "sft", "--contents", str(kept), "--holdout", "0", "--file", str(file))

    assert "1 rows in" in ran.text
    (row,) = map(json.loads, file.read_text().splitlines())
    assert row["completion"] == [{"role": "assistant", "content": "wrong 0"}]
    assert row["provenance"]["right_by"] == "people"
