"""The example's training: what it reads, what it leaves alone, and what it says in the end."""

import json
from pathlib import Path

import pytest

from forge.directory import KEPT_FILES
from forge.pairs import Pair, directory_of, held_back, read_pairs, tell
from tierwise_core.drifting.training_job import said_by
from tierwise_core.training_rows import Asked, Given, pair_rows

MODELS = Path(__file__).parents[2] / "examples" / "models"
SORTER = ("demo/sorter", "r1")


def test_it_reads_what_the_ledger_exports() -> None:
    wrong = Given(0, "badc", *SORTER, right=False, by_people=True, went_out=True)
    question = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "sort dcba"},
    )
    asked = Asked("d-1", 5.0, "sorting", "q", question, (wrong,), corrected="abcd")
    lines = [json.dumps(row) for row in pair_rows(asked)]
    lines += [json.dumps(row) for row in pair_rows(asked, {SORTER})]
    (pair,) = read_pairs(lines)
    assert pair == Pair("sort dcba", "abcd", "badc", -1.25)


def test_what_ends_the_training_is_not_learnt_from() -> None:
    pairs = [Pair(str(number), "a", "b") for number in range(40)]
    learnt, checked = held_back(pairs)
    assert len(checked) == 4
    assert not set(learnt) & set(checked)


def test_a_source_that_is_not_mounted_is_named() -> None:
    with pytest.raises(ValueError, match="pvc://other/m: only file://"):
        directory_of("pvc://other/m", {"models": "/mnt"})


def test_its_last_word_is_what_the_operator_reads(tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.write_text("step 50\n")
    tell("pvc://models/sorter-2", str(log))
    ended = {"exitCode": 0, "message": log.read_text()}
    pod = {"status": {"containerStatuses": [{"state": {"terminated": ended}}]}}
    trained = said_by([pod], None)
    assert trained is not None
    assert (trained.source, trained.problem) == ("pvc://models/sorter-2", "")


def test_every_file_that_is_kept_is_there() -> None:
    assert all((MODELS / "sorter" / name).is_file() for name in KEPT_FILES)
