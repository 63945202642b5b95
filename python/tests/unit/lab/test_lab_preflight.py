"""Judging a machine: every finding, each with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wardstack.lab.preflight import DISK_GIB, MEMORY_MIB, TOOLS, Facts, available_mib, judge

GOOD = Facts(
    root=True,
    missing_tools=(),
    available_memory_mib=MEMORY_MIB,
    cache=Path("/var/cache"),
    free_disk_gib=DISK_GIB,
    overlay=True,
    cgroup_problem="",
)


def test_a_machine_that_has_just_enough_is_good() -> None:
    assert judge(GOOD) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(GOOD, root=False), "run with sudo"),
        (replace(GOOD, missing_tools=("socat",)), "socat: command not found"),
        (replace(GOOD, available_memory_mib=MEMORY_MIB - 1), f"the lab needs {MEMORY_MIB}"),
        (replace(GOOD, free_disk_gib=DISK_GIB - 1), "/var/cache: 11 GiB free"),
        (replace(GOOD, overlay=False), "no overlay file system"),
        (replace(GOOD, cgroup_problem="mount /sys/fs/cgroup"), "mount /sys/fs/cgroup"),
    ],
)
def test_each_lack_is_one_finding(facts: Facts, said: str) -> None:
    (finding,) = judge(facts)
    assert said in finding


def test_all_findings_come_at_once() -> None:
    assert len(judge(replace(GOOD, root=False, missing_tools=("ip", "socat"), overlay=False))) == 4


def test_memory_is_not_asked_for_twice() -> None:
    assert judge(replace(GOOD, available_memory_mib=None)) == []


def test_each_form_needs_its_own_way_to_boot() -> None:
    assert "systemd-nspawn" in TOOLS["container"]
    assert {"qemu-system-x86_64", "qemu-img"} <= set(TOOLS["vm"])


def test_available_memory_is_read_in_mib() -> None:
    assert available_mib("MemTotal:       24684096 kB\nMemAvailable:   15974400 kB\n") == 15600
    assert available_mib("MemTotal: 1 kB\n") == 0
