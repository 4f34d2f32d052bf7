"""Both generations of control groups are found where a machine mounts them."""

from pathlib import Path

from localcluster.cgroups import hierarchies

HYBRID = """\
25 24 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
28 25 0:25 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
29 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
"""
UNIFIED = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_a_machine_with_both_generations() -> None:
    found = {str(h.mount): h for h in hierarchies(HYBRID)}
    assert set(found) == {
        "/sys/fs/cgroup/cpuset",
        "/sys/fs/cgroup/cpu,cpuacct",
        "/sys/fs/cgroup/unified",
    }
    assert found["/sys/fs/cgroup/unified"].unified
    assert "cpuset" in found["/sys/fs/cgroup/cpuset"].options


def test_a_machine_with_the_second_generation_only() -> None:
    (only,) = hierarchies(UNIFIED)
    assert only.unified
    assert only.mount == Path("/sys/fs/cgroup")


def test_a_machine_without_any() -> None:
    assert hierarchies("29 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n") == []
