"""Dispatchers that are real processes see what each other's tenants use, and forget the dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tierwise_core.rate_ring import count_request, requests_counted
from tierwise_router.shared_usage import ROWS, SharedUsage

OTHER = """
import sys
from tierwise_core.rate_ring import count_request
from tierwise_router.shared_usage import SharedUsage

usage = SharedUsage(sys.argv[1])
usage.know(["demo/b", "demo/a"])
usage.of("demo/a").own[0] = 3
count_request(usage.of("demo/a").rings()[0], 100)
print("ready", flush=True)
sys.stdin.read()
"""


def test_another_process_is_seen_and_forgotten_when_it_is_gone(tmp_path: Path) -> None:
    mine = SharedUsage(str(tmp_path))
    mine.know(["demo/a"])
    count_request(mine.of("demo/a").rings()[0], 101)  # type: ignore[union-attr]
    path = ":".join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": path},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"

        mine.know(["demo/b"])
        usage = mine.of("demo/a")

        assert usage is not None
        assert mine.shared
        assert usage.in_flight_elsewhere() == 3
        assert requests_counted(usage.rings(), 101) == 2
        assert mine.of("demo/b").in_flight_elsewhere() == 0  # type: ignore[union-attr]

    mine.meet()
    assert not mine.shared
    assert usage.in_flight_elsewhere() == 0


def test_a_tenant_keeps_its_row_whoever_comes_and_goes(tmp_path: Path) -> None:
    one, other = SharedUsage(str(tmp_path), 1), SharedUsage(str(tmp_path), 2)
    one.know(["demo/b"])
    other.know(["demo/a", "demo/b", "demo/c"])
    one.know(["demo/a", "demo/c"])

    assert one._places == other._places
    assert len(set(one._places.values())) == 3
    assert max(one._places.values()) < ROWS
