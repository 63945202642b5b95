"""Which control group hierarchies the lab uses, on machines of every kind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from wardstack.lab import cgroup
from wardstack.lab.cgroup import Group, used_hierarchies

LEGACY = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup /sys/fs/cgroup/cpuacct cgroup rw,relatime,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/freezer cgroup rw,relatime,freezer 0 0
cgroup /sys/fs/cgroup/devices cgroup rw,relatime,devices 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""


def test_a_unified_machine_has_one() -> None:
    mounts = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0\n"
    assert used_hierarchies(mounts) == (Path("/sys/fs/cgroup"),)


def test_the_systemd_hierarchy_is_used_where_it_exists() -> None:
    """Otherwise the systemd of one container would kill the processes of another."""
    found = {folder.name for folder in used_hierarchies(LEGACY)}
    assert found == {"cpuacct", "memory", "freezer", "systemd", "unified"}


def test_joined_controllers_are_one_hierarchy() -> None:
    mounts = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
    assert used_hierarchies(mounts) == (Path("/sys/fs/cgroup/cpu,cpuacct"),)


def test_a_machine_without_control_groups_has_none() -> None:
    assert used_hierarchies("proc /proc proc rw 0 0\n") == ()


def test_groups_that_come_and_go_while_they_are_read_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in CI: a session's group vanished between being listed and being opened."""
    monkeypatch.setattr(cgroup, "hierarchies", lambda: (tmp_path,))
    group = Group("host-t")
    group.create()
    (tmp_path / group.name / "cgroup.procs").write_text("1\n")
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            session = tmp_path / group.name / "user.slice" / "session.scope"
            session.mkdir(parents=True)
            session.rmdir()
            session.parent.rmdir()

    churner = threading.Thread(target=churn)
    churner.start()
    try:
        assert all(group.pids() == {1} for _ in range(2000))
    finally:
        done.set()
        churner.join()
