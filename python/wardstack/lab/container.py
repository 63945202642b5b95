"""A Debian system booted as a container: its own namespace, group and overlay.

Facts that shape the start-up command, each measured: the network namespace must
be entered with ``nsenter --net`` before ``systemd-nspawn`` (else ``/sys/class/net``
is the caller's, and ``ip netns exec`` would hide the control groups); every
container needs a control group of its own in every hierarchy; systemd 257 wants
the unified hierarchy, which nspawn 252 gives only when told to.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from wardstack.lab.cgroup import Group
from wardstack.lab.command import LabError, run
from wardstack.lab.machine import Slot, locked
from wardstack.lab.network import namespace_path

# A host that reboots itself ends nspawn with this status (systemd-nspawn(1), exit status): it is started again.
AGAIN = 'while "$@"; [ $? -eq 133 ]; do :; done'
DEVICES = ("/dev/net/tun", "/dev/fuse", "/dev/kvm", "/dev/loop-control")


class Container:
    """One container, running or not; its folder keeps the overlay through power cuts."""

    def __init__(self, name: str, folder: Path, lower: Path, namespace: str, group: str) -> None:
        """Describe the container; nothing is made or started."""
        self.name = name
        self.folder = folder
        self.lower = lower
        self.namespace = namespace
        self.group = Group(group)

    @property
    def root(self) -> Path:
        """The mounted root file system, as this machine sees it."""
        return self.folder / "root"

    def prepare(self) -> None:
        """Mount the overlay; a mounted one is kept."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        if not self.root.is_mount():
            layers = f"lowerdir={self.lower},upperdir={self.folder}/upper"
            options = f"{layers},workdir={self.folder}/work"
            run(["mount", "-t", "overlay", f"ws-{self.name}", "-o", options, str(self.root)])

    def running(self) -> bool:
        """Say whether the container is powered on."""
        return self.group.alive()

    def start(self, slots: tuple[Slot, ...] = ()) -> None:
        """Power on; a running container is left alone."""
        with locked(self.folder):
            if self.running():
                return
            self.prepare()
            self.group.remove()
            # nspawn 252 gives its guest the unified hierarchy only when told to.
            environment = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
            self.group.spawn(self.command(slots), self.folder / "console", environment)

    def command(self, slots: tuple[Slot, ...]) -> list[str]:
        """Return the command that boots the container."""
        argv = ["sh", "-c", AGAIN, "sh", "nsenter", f"--net={namespace_path(self.namespace)}", "systemd-nspawn"]
        argv += ["--quiet", "--register=no", "--keep-unit", "--boot", "--capability=all"]
        # A machine's name is a host name, which has no underscore; an instance has the name of its role.
        machine = self.name.replace("_", "-")
        argv += [f"--directory={self.root}", f"--machine={machine}", "--console=pipe"]
        argv += [f"--network-namespace-path={namespace_path(self.namespace)}"]
        argv += ["--resolv-conf=off", "--timezone=off"]
        argv += [f"--bind={device}" for device in DEVICES if Path(device).exists()]
        argv += [f"--bind={slot.folder}:{Path(slot.path).parent}" for slot in slots]
        return argv

    def cut_power(self) -> None:
        """Kill every process of the container at once."""
        with locked(self.folder):
            self.group.kill()

    def destroy(self) -> None:
        """Power off, unmount and forget the container with everything it wrote."""
        if self.folder.exists():
            with locked(self.folder):
                self.group.remove()
                self._unmount()
            shutil.rmtree(self.folder)
        else:
            self.group.remove()

    def _unmount(self) -> None:
        inside = [m for m in mounts_below(self.folder) if m != self.root]
        for mount in [*reversed(inside), *([self.root] if self.root.is_mount() else [])]:
            run(["umount", str(mount)], check=False)
        if left := mounts_below(self.folder):
            raise LabError(f"{left[0]}: cannot be unmounted; see `fuser -vm {left[0]}`")


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points at and below a folder, outermost first."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        where = Path(line.split()[1].replace("\\040", " "))
        if where == folder or folder in where.parents:
            found.append(where)
    return found
