"""What the rest of the product may ask of the lab."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wardstack.lab import network, preflight
from wardstack.lab.command import LabError, run
from wardstack.lab.kernel import ensure_kernel
from wardstack.lab.machine_room import MachineRoom
from wardstack.lab.network import SWITCHES, namespace_path
from wardstack.lab.paths import cache_dir, lab_dir
from wardstack.lab.rootfs import ensure_host_root
from wardstack.lab.spec import LabSpec, read_spec
from wardstack.lab.teardown import remove_everything
from wardstack.lab.vm_image import ensure_image


@dataclass(frozen=True)
class HostStatus:
    """A host as its machine room sees it; cables and disks map a name to "works"."""

    name: str
    powered: bool
    cables: dict[str, bool]
    disks: dict[str, bool]
    peak_memory_mib: int | None


def quiet(_: str) -> None:
    """Report nothing."""


class Lab:
    """The embedded site of one inventory."""

    def __init__(self, inventory: Path) -> None:
        """Read the inventory; nothing is made or started."""
        self.spec: LabSpec = read_spec(inventory)
        self.room = MachineRoom(self.spec, inventory)

    def missing(self) -> list[str]:
        """Return what ``up`` would make or start, in words."""
        found = []
        for host in self.spec.hosts:
            machine = self.room.machine(host.name)
            if not network.wired(host.name) or not machine.folder.exists():
                found.append(f"{host.name}: would be made and powered on")
            elif not machine.running():
                found.append(f"{host.name}: would be powered on")
        return found

    def up(self, progress: Callable[[str], None] = quiet) -> list[str]:
        """Make and power on what is missing; return what was changed, in words.

        The secrets and certificates of the BMCs must exist in the site's state folder
        before (``playbooks/certificates.yml`` makes them).

        Raises:
            LabError: The machine cannot carry the lab (every reason is named) or a
                step failed.
        """
        if found := preflight.problems(self.spec.form):
            raise LabError("this machine cannot carry the lab:\n  - " + "\n  - ".join(found))
        self._claim()
        changed = ["ssh key made"] if ensure_ssh_key(self.spec.state_dir) else []
        lower = ensure_host_root(progress)
        if self.spec.form == "vm":
            ensure_image(lower, ensure_kernel(progress), progress)
        if self.room.build_networks():
            changed.append("networks made")
        for host in self.spec.hosts:
            if self.room.start_bmc(host.name):
                changed.append(f"BMC of {host.name} started")
            made = self.room.install_host(host)
            if self.room.power(host.name, on=True) or made:
                changed.append(f"{host.name} {'made and ' if made else ''}powered on")
                progress(changed[-1])
        self.await_ssh(progress)
        return changed

    def await_ssh(self, progress: Callable[[str], None] = quiet, timeout: float | None = None) -> None:
        """Wait until every host answers on its ssh port.

        Raises:
            LabError: A host does not answer in ``timeout`` seconds (default: 180, for VMs 600);
                its console is named.
        """
        timeout = timeout or (180.0 if self.spec.form == "container" else 600.0)
        deadline = time.monotonic() + timeout
        for host in self.spec.hosts:
            address = str(host.cables[0].address.ip)
            while not answers(SWITCHES, address, 22):
                if time.monotonic() > deadline:
                    console = self.room.machine(host.name).folder / "console"
                    raise LabError(
                        f"{host.name} ({address}) does not answer on port 22 after {timeout:.0f} s;"
                        f" its console: {console}"
                    )
                time.sleep(0.2)
            progress(f"{host.name} answers")

    def status(self) -> list[HostStatus]:
        """Return power, cables and disks of every host."""
        found = []
        for host in self.spec.hosts:
            machine = self.room.machine(host.name)
            wired = network.wired(host.name)
            peak = machine.group.peak_memory()
            found.append(
                HostStatus(
                    host.name,
                    machine.running(),
                    {
                        cable.network: wired and network.cable_up(host.name, index)
                        for index, cable in enumerate(host.cables)
                    },
                    {d.name: self.room.disk(host.name, d.name).healthy() for d in host.disks},
                    None if peak is None else peak // 2**20,
                )
            )
        return found

    def power(self, host: str, *, on: bool) -> bool:
        """Cut or give a host's power; say whether that changed anything."""
        self._must_exist(host)
        return self.room.power(host, on=on)

    def link(self, host: str, *, up: bool, networks: list[str] | None = None) -> None:
        """Pull or plug a host's cables, of all networks or of those named."""
        self._must_exist(host)
        cables = self.spec.host(host).cables
        known = [cable.network for cable in cables]
        for name in networks or known:
            if name not in known:
                raise LabError(f"{name}: {host} has no such network; it has {', '.join(known)}")
            for index in (index for index, cable in enumerate(known) if cable == name):
                network.set_cable(host, index, up=up)

    def disk(self, host: str, disk: str, *, works: bool) -> None:
        """Make a host's disk fail, or give it back (seen by the host when powered on again)."""
        self._must_exist(host)
        lab_disk = self.room.disk(host, disk)
        if not works:
            lab_disk.fail()
        elif self.room.machine(host).running():
            raise LabError(f"{host} is on; `wardstack lab power off {host}` before a disk change")
        else:
            size = next(d.size_gib for d in self.spec.host(host).disks if d.name == disk)
            lab_disk.detach()
            lab_disk.attach(size)

    def down(self, *, purge: bool = False, progress: Callable[[str], None] = quiet) -> None:
        """Remove the lab and its site's state; with ``purge`` the caches as well."""
        remove_everything(progress)
        shutil.rmtree(self.spec.state_dir, ignore_errors=True)
        if purge:
            shutil.rmtree(cache_dir(), ignore_errors=True)

    def _claim(self) -> None:
        """Take the machine's one lab for this site.

        Raises:
            LabError: Another site's lab is there.
        """
        owner = lab_dir() / "site"
        if owner.exists() and (other := owner.read_text()) != self.spec.site:
            raise LabError(f"the lab of site {other} is up; take it down first: `sudo ./wardstack down`")
        lab_dir().mkdir(parents=True, exist_ok=True)
        owner.write_text(self.spec.site)

    def _must_exist(self, host: str) -> None:
        self.spec.host(host)
        if not network.wired(host):
            raise LabError(f"{host}: the lab is not up; `sudo ./wardstack up` builds it")


def answers(namespace: str, address: str, port: int) -> bool:
    """Say whether a TCP connection to a port can be made from a namespace."""
    if namespace not in network.namespaces():
        return False
    target = f"TCP:{address}:{port},connect-timeout=2"
    enter = ["nsenter", f"--net={namespace_path(namespace)}"]
    try:
        run([*enter, "socat", "-u", "/dev/null", target], timeout=10)
    except LabError:
        return False
    return True


def ensure_ssh_key(state_dir: Path) -> bool:
    """Make the site's ssh key pair unless it exists; say whether it was made."""
    key = state_dir / "ssh" / "id_ed25519"
    if key.exists():
        return False
    key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "wardstack", "-f", str(key)])
    return True
