"""Can this machine carry the lab? All findings at once, before anything is made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wardstack.lab.cgroup import hierarchies
from wardstack.lab.command import LabError
from wardstack.lab.paths import cache_dir, lab_dir

MEMORY_MIB = 14 * 1024
DISK_GIB = 12
TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "ip", "socat", "ssh-keygen", "mke2fs")


def problems() -> list[str]:
    """Return what this machine lacks for the lab, each with what to do about it."""
    found: list[str] = []
    if os.geteuid() != 0:
        found.append("the lab needs root (namespaces, mounts): run with sudo")
    found += [
        f"{tool}: command not found; run ./wardstack, which installs what it needs"
        for tool in TOOLS
        if shutil.which(tool) is None
    ]
    if not lab_dir().exists():
        available = _available_memory_mib()
        if available < MEMORY_MIB:
            found.append(f"{available} MiB of memory are free, the lab needs {MEMORY_MIB}: stop other work")
    place = cache_dir()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // 2**30
    if free < DISK_GIB:
        found.append(
            f"{place}: {free} GiB free, the lab needs {DISK_GIB};"
            " make room or set WARDSTACK_CACHE to a folder on a larger disk"
        )
    if "overlay" not in Path("/proc/filesystems").read_text():
        found.append("the kernel of this machine has no overlay file system")
    try:
        hierarchies()
    except LabError as error:
        found.append(str(error))
    return found


def _available_memory_mib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0
