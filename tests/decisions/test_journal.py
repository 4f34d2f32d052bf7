"""The journal keeps what it was told: through full disks, torn lines, rotation and kills."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, feedback_of, find_decision, oldest_first, tail

LARGE = 64 * 1024 * 1024


def a_decision(number: int, process: str = "aa", **more: object) -> dict[str, object]:
    return {"kind": "decision", "id": f"d-pod-{process}-{number:06x}", **more}


def ids(directory: Path) -> list[str]:
    return [row["id"] for row in tail(directory, Marks())]


def a_journal(directory: Path, process: str = "aa", **how: object) -> Journal:
    return Journal(directory, process, **{"max_bytes": LARGE, **how})  # type: ignore[arg-type]


def test_what_was_recorded_is_found_again(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    for number in range(3):
        journal.row(a_decision(number, state="accepted"))
    journal.flush()

    assert find_decision(tmp_path, "d-pod-aa-000001") == a_decision(1, state="accepted")
    assert find_decision(tmp_path, "d-pod-aa-000009") is None
    assert find_decision(tmp_path, "d-pod-bb-000001") is None


def test_a_thread_writes_without_being_asked(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    journal.start()
    for number in range(1000):
        journal.row(a_decision(number))
    journal.close()

    assert len(ids(tmp_path)) == 1000


def test_several_processes_share_a_directory(tmp_path: Path) -> None:
    for process in ("aa", "bb"):
        journal = a_journal(tmp_path, process)
        journal.row(a_decision(1, process))
        journal.close()

    assert find_decision(tmp_path, "d-pod-bb-000001") == a_decision(1, "bb")


def test_a_full_disk_delays_and_loses_nothing(tmp_path: Path) -> None:
    full = [True]

    def write(file: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "no space left on device")
        return os.write(file, data)

    journal = a_journal(tmp_path, write=write)
    journal.row(a_decision(1))
    journal.flush()
    full[0] = False
    journal.row(a_decision(2))
    journal.flush()

    assert ids(tmp_path) == ["d-pod-aa-000001", "d-pod-aa-000002"]
    assert journal.dropped == 0


def test_a_line_that_the_disk_cut_is_written_again_as_a_whole(tmp_path: Path) -> None:
    room = [100]

    def write(file: int, data: bytes) -> int:
        written = os.write(file, data[: room[0]])
        room[0] = LARGE
        return written

    journal = a_journal(tmp_path, write=write)
    for number in range(6):
        journal.row(a_decision(number))
    journal.flush()
    journal.flush()

    assert ids(tmp_path) == [f"d-pod-aa-{number:06x}" for number in range(6)]
    assert journal.written == 6


def test_the_disk_it_takes_is_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    journal = a_journal(tmp_path, max_bytes=4 * 64 * 1024)
    for number in range(2000):
        journal.row(a_decision(number, padding="x" * 500))
        journal.flush()

    assert sum(size for _, size in oldest_first(tmp_path)) <= 5 * 64 * 1024
    assert find_decision(tmp_path, "d-pod-aa-000000") is None
    assert find_decision(tmp_path, f"d-pod-aa-{1999:06x}") is not None


def test_a_file_that_somebody_took_away_is_replaced(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    journal.row(a_decision(1))
    journal.flush()
    for path, _ in oldest_first(tmp_path):
        path.unlink()
    journal.row(a_decision(2))
    journal.flush()

    assert ids(tmp_path) == ["d-pod-aa-000002"]


def test_an_outcome_that_cannot_be_told_spoils_no_other(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    journal.row({"kind": "decision", "id": object()})
    journal.row(a_decision(2))
    journal.flush()

    assert ids(tmp_path) == ["d-pod-aa-000002"]


def test_a_tail_goes_on_where_it_stopped_and_skips_what_was_torn(tmp_path: Path) -> None:
    journal, marks = a_journal(tmp_path), Marks()
    journal.row(a_decision(1))
    journal.flush()
    assert [row["id"] for row in tail(tmp_path, marks)] == ["d-pod-aa-000001"]

    (path, _) = oldest_first(tmp_path)[0]
    with path.open("ab") as file:
        file.write(b'{"kind": "decision", "id": "d-pod-aa-00')
    assert list(tail(tmp_path, marks)) == []
    with path.open("ab") as file:
        file.write(b"\n")
    journal.row(a_decision(3))
    journal.flush()

    assert [row["id"] for row in tail(tmp_path, marks)] == ["d-pod-aa-000003"]


def test_of_several_feedbacks_the_last_counts(tmp_path: Path) -> None:
    for process, accepted, at in (("aa", True, 2.0), ("bb", False, 3.0)):
        journal = a_journal(tmp_path, process)
        journal.row({"kind": "feedback", "decision": "d-pod-aa-1", "accepted": accepted, "at": at})
        journal.close()

    found = feedback_of(tmp_path, "d-pod-aa-1")

    assert found is not None
    assert found["accepted"] is False


WRITER = """
import sys
from pathlib import Path
from tierwise_router.journal import Journal
journal = Journal(Path(sys.argv[1]), "aa", 1 << 30)
number = 0
while True:
    for _ in range(50):
        number += 1
        journal.row({"kind": "decision", "id": f"d-pod-aa-{number:06x}", "padding": "x" * 2000})
    journal.flush()
    print(number, flush=True)
"""


def test_kill_nine_leaves_whole_lines_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)][-1]
        writer.kill()
        writer.wait()

    found = ids(tmp_path)

    assert len(found) >= told
    assert found == [f"d-pod-aa-{number:06x}" for number in range(1, len(found) + 1)]
