"""A batch is killed at every step it takes on the disk; another process ends it all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALL = [f"q{n}" for n in range(6)]


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What was seen after each crash, in the order of the steps; the last run lived to its end."""
    path = os.pathsep.join(str(ROOT / part) for part in ("operator", "router", "tests/_support"))
    told = subprocess.run(
        [sys.executable, str(ROOT / "tests/_support/crash_driver.py"),
         str(tmp_path_factory.mktemp("crashes"))],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines() if line.startswith('{"step"')]


def test_every_step_was_a_crash_until_none_was_left(crashes: list[dict[str, Any]]) -> None:
    assert len(crashes) > 20
    assert [one["died"] for one in crashes] == [9] * (len(crashes) - 1) + [0]
    assert all(one["resumed"] == 0 for one in crashes)


def test_a_batch_that_its_client_was_told_of_is_always_completed(
    crashes: list[dict[str, Any]],
) -> None:
    told = [one for one in crashes if one["told"]]

    assert told
    assert {one["status"] for one in told} == {"completed"}
    assert {one["completed"] for one in told} == {6}


def test_no_line_is_lost_and_none_is_in_the_output_twice(crashes: list[dict[str, Any]]) -> None:
    for one in crashes:
        if one["status"] != "none":
            assert one["ids"] == ALL, one


def test_what_was_recorded_is_not_asked_again(crashes: list[dict[str, Any]]) -> None:
    # Of two lines under way at a time, at most those two can be asked a second time.
    assert max(one.get("asked", 0) for one in crashes) <= len(ALL) + 2
    assert any(one.get("runs") == 2 for one in crashes)
