"""What is exported loads in `datasets`, and TRL trains with it, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

import trainerenv
from tierwise_core.training_rows import Asked, Given, eval_rows, pair_rows, sft_rows

DRIVERS: Final = Path(__file__).parents[1] / "_support" / "drivers"
PATIENCE_S: Final = 600
OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def asked(number: int) -> Asked:
    wrong = Given(0, f"wrong {number}", "demo/sorter", f"r{number % 2}", right=False, went_out=True)
    return Asked(
        f"d-{number}", float(number), "creative", f"q-{number}",
        ({"role": "user", "content": f"sort {number}"},), (wrong,), corrected=f"right {number}",
    )  # fmt: skip


def pairs() -> list[dict[str, Any]]:
    return [row for n in range(8) for row in pair_rows(asked(n), {("demo/sorter", "r1")})]


EXPORTED: Final = {
    "dpo": pairs,
    "sft": lambda: [row for n in range(8) for row in sft_rows(asked(n))],
    "evals": lambda: [row for n in range(8) for row in eval_rows(asked(n))],
}


def is_a_conversation(value: Any) -> bool:
    return isinstance(value, list) and all(
        set(one) == {"role", "content"} and isinstance(one["content"], str) for one in value
    )


def test_rows_have_the_shape_that_trl_asks_for() -> None:
    for row in pairs():
        assert all(is_a_conversation(row[name]) for name in ("prompt", "chosen", "rejected"))
        assert row["prompt"][-1]["role"] == "user"
        assert row["weight"] == (-1.0 if row["provenance"]["rolled_back"] else 1.0)
    for row in sft_rows(asked(1)):
        assert is_a_conversation(row["prompt"])
        assert is_a_conversation(row["completion"])
    for row in eval_rows(asked(1)):
        assert is_a_conversation(row["input"])
        assert row["ideal"] == "right 1"
    # One type for each column, whatever the row: tables of `datasets` ask for that.
    shapes = {json.dumps(shape(row), sort_keys=True) for row in pairs()}
    assert len(shapes) == 1


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What `datasets` and TRL made of a file of each kind."""
    folder = tmp_path_factory.mktemp("exports")
    for kind, rows in EXPORTED.items():
        (folder / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    done = subprocess.run(
        [str(trainerenv.ensure()), str(DRIVERS / "trl_trains.py"), str(folder)],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=os.environ | OFFLINE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.engine
@pytest.mark.parametrize("kind", EXPORTED)
def test_datasets_loads_what_is_exported(told: Mapping[str, Any], kind: str) -> None:
    assert told[kind]["rows"] == EXPORTED[kind]()


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["dpo", "sft"])
def test_trl_trains_with_what_is_exported(told: Mapping[str, Any], kind: str) -> None:
    weights = {row["weight"] for row in told[kind]["rows"]}

    assert told[kind]["steps"] == 2
    assert weights == ({1.0, -1.0} if kind == "dpo" else {1.0})
