"""What stands in the way is said at once, each with its fix, before anything is changed."""

from pathlib import Path

import pytest

from localcluster import preflight
from localcluster.errors import PreflightError, Problem
from localcluster.packages import Package

GIB = 1 << 30
ABSENT = Package("surely-not-installed", lambda: False)


def memory(total_bytes: int) -> list[Problem]:
    return list(preflight._memory_problems(total_bytes))


def disk(free_bytes: int, *, cached: bool) -> list[Problem]:
    return list(preflight._disk_problems({Path("/srv"): free_bytes}, cached=cached))


def test_too_little_memory_names_what_is_there_and_what_is_needed() -> None:
    (problem,) = memory(8 * GIB)
    assert "8.0 GiB of memory" in problem.what
    assert "12 GiB" in problem.what
    assert memory(12 * GIB) == []


def test_too_little_disk_names_the_folder_and_the_way_out() -> None:
    (problem,) = disk(5 * 10**9, cached=False)
    assert "5.0 GB free at /srv, and 20 GB are needed" in problem.what
    assert "TIERWISE_CACHE" in problem.fix


def test_built_tools_need_half_of_the_disk() -> None:
    assert disk(11 * 10**9, cached=True) == []
    assert len(disk(11 * 10**9, cached=False)) == 1


def test_a_user_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (problem,) = preflight._privilege_problems()
    assert "this is user 1000" in problem.what
    assert "sudo" in problem.fix


def test_missing_programs_need_apt_or_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    (problem,) = preflight._package_problems(["containerd", "runc"])
    assert "missing: containerd, runc" in problem.what


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    (problem,) = preflight._system_problems()
    assert "needs Linux, and this is Darwin" in problem.what


def test_every_problem_is_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(preflight, "memory_bytes", lambda: 4 * GIB)
    with pytest.raises(PreflightError) as caught:
        preflight.check((ABSENT,), ())
    message = str(caught.value)
    assert "nothing was changed" in message
    assert len(caught.value.problems) >= 2
    assert message.count("fix: ") == len(caught.value.problems)
