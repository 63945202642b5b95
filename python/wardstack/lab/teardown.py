"""Take the lab down: found by names of groups, namespaces and mounts, whatever is left.

It reads no record of what was started, so it works after any crash and after the
inventory has changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from wardstack.lab import network
from wardstack.lab.cgroup import Group, leftovers
from wardstack.lab.command import LabError, run
from wardstack.lab.container import mounts_below
from wardstack.lab.paths import lab_dir
from wardstack.lab.ssh_masters import close_masters

KINDS = ("bmc-", "host-", "vlan-")


def remove_everything(progress: Callable[[str], None]) -> None:
    """Stop every process of the lab, then remove its mounts, namespaces, groups and files."""
    groups = [name for kind in KINDS for name in leftovers(kind)]
    # BMCs first: a live one could be told to switch a host on again.
    for name in sorted(groups, key=lambda found: not found.startswith("bmc-")):
        progress(f"stopping {name}")
        Group(name).remove()
    close_masters(network.SWITCHES + "-")
    unmount_below(lab_dir())
    own = (network.SWITCHES, network.SWITCHES + "-")
    for name in sorted(network.namespaces()):
        if name == own[0] or name.startswith(own[1]):
            network.remove(name)
    shutil.rmtree(lab_dir(), ignore_errors=True)


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder, innermost first.

    Raises:
        LabError: Something is still in use; the message says how to find out what.
    """
    for mount in reversed(mounts_below(folder)):
        run(["umount", str(mount)], check=False)
    if left := mounts_below(folder):
        raise LabError(f"{left[0]}: cannot be unmounted; see `fuser -vm {left[0]}`")
