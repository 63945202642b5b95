"""Can this machine carry the lab? All findings at once, before anything is made."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from wardstack.lab.cgroup import hierarchies
from wardstack.lab.command import LabError
from wardstack.lab.paths import cache_dir, lab_dir

MEMORY_MIB = 14 * 1024
DISK_GIB = 12
_ALWAYS = ("mmdebstrap", "nsenter", "ip", "socat", "ssh-keygen", "mke2fs")
TOOLS = {
    "container": (*_ALWAYS, "systemd-nspawn"),
    "vm": (*_ALWAYS, "qemu-system-x86_64", "qemu-img", "unshare"),
}


@dataclass(frozen=True)
class Facts:
    """What was found of this machine.

    Attributes:
        root: Whether this process is root.
        missing_tools: Commands that are not there.
        available_memory_mib: Memory that a lab could take; None where a lab is up and has it already.
        cache: The folder (or its nearest existing parent) that the lab fills.
        free_disk_gib: Room in it.
        overlay: Whether the kernel has the overlay file system.
        cgroup_problem: Why control groups cannot be used; empty when they can.
    """

    root: bool
    missing_tools: tuple[str, ...]
    available_memory_mib: int | None
    cache: Path
    free_disk_gib: int
    overlay: bool
    cgroup_problem: str


def problems(form: str = "container") -> list[str]:
    """Return what this machine lacks for a lab of this form, each with what to do about it."""
    return judge(look(form))


def look(form: str) -> Facts:
    """Look at this machine."""
    place = cache_dir()
    while not place.exists():
        place = place.parent
    try:
        hierarchies()
        cgroup_problem = ""
    except LabError as error:
        cgroup_problem = str(error)
    return Facts(
        root=os.geteuid() == 0,
        missing_tools=tuple(tool for tool in TOOLS[form] if shutil.which(tool) is None),
        available_memory_mib=None if lab_dir().exists() else available_mib(Path("/proc/meminfo").read_text()),
        cache=place,
        free_disk_gib=shutil.disk_usage(place).free // 2**30,
        overlay="overlay" in Path("/proc/filesystems").read_text().split(),
        cgroup_problem=cgroup_problem,
    )


def judge(facts: Facts) -> list[str]:
    """Return everything that keeps a machine from carrying the lab."""
    found: list[str] = []
    if not facts.root:
        found.append("the lab needs root (namespaces, mounts): run with sudo")
    found += [
        f"{tool}: command not found; run ./wardstack, which installs what it needs" for tool in facts.missing_tools
    ]
    if facts.available_memory_mib is not None and facts.available_memory_mib < MEMORY_MIB:
        found.append(
            f"{facts.available_memory_mib} MiB of memory are free, the lab needs {MEMORY_MIB}: stop other work"
        )
    if facts.free_disk_gib < DISK_GIB:
        found.append(
            f"{facts.cache}: {facts.free_disk_gib} GiB free, the lab needs {DISK_GIB};"
            " make room or set WARDSTACK_CACHE to a folder on a larger disk"
        )
    if not facts.overlay:
        found.append("the kernel of this machine has no overlay file system")
    if facts.cgroup_problem:
        found.append(facts.cgroup_problem)
    return found


def available_mib(meminfo: str) -> int:
    """Return the memory in MiB that programs can still have, from the text of ``/proc/meminfo``; 0 if unsaid."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0
