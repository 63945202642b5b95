"""The machine room: hosts with their cables, disks and power, as the inventory names them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wardstack.lab import network
from wardstack.lab.cgroup import Group
from wardstack.lab.command import LabError, run
from wardstack.lab.container import Bind, Container
from wardstack.lab.disk import LabDisk
from wardstack.lab.paths import lab_dir
from wardstack.lab.rootfs import host_root
from wardstack.lab.spec import HostSpec, LabSpec

BMC_GROUP = "bmc"


class MachineRoom:
    """The hosts of one lab; every method may be called again after an interruption."""

    def __init__(self, spec: LabSpec, inventory: Path) -> None:
        """Describe the room; nothing is made or started."""
        self.spec = spec
        self.inventory = inventory
        self.folder = lab_dir()

    def container(self, host: str) -> Container:
        """Return the container that stands for a host."""
        folder = self.folder / "hosts" / host
        namespace = network.host_namespace(host)
        return Container(host, folder, host_root(), namespace, f"host-{host}")

    def disk(self, host: str, name: str) -> LabDisk:
        """Return a disk of a host.

        Raises:
            LabError: The host has no such disk.
        """
        known = [disk.name for disk in self.spec.host(host).disks]
        if name not in known:
            raise LabError(f"{name}: no such disk in {host}; it has {', '.join(known)}")
        return LabDisk(self.folder / "disks" / host / f"{name}.img")

    def build_networks(self) -> bool:
        """Make the switches, the hosts' namespaces and the cables; say whether any was missing."""
        before = network.namespaces()
        for name, (bridge, subnet) in self.spec.networks.items():
            # The controller has the first address of every network; BMCs hang on the first network.
            addresses = [str(next(subnet.hosts()))]
            if name == next(iter(self.spec.networks)):
                addresses += [host.bmc_address for host in self.spec.hosts]
            network.build_switch(bridge, [f"{address}/{subnet.prefixlen}" for address in addresses])
        for host in self.spec.hosts:
            for index, cable in enumerate(host.cables):
                network.connect_host(host.name, index, cable.interface, cable.bridge)
        return network.namespaces() != before

    def install_host(self, host: HostSpec) -> bool:
        """Give a host its disk content as an installer would: name, addresses, ssh key.

        A host that was installed before keeps what it has.
        """
        machine = self.container(host.name)
        marker = machine.folder / "installed"
        machine.mount()
        for disk in host.disks:
            self.disk(host.name, disk.name).attach(disk.size_gib)
        if marker.exists():
            return False
        root = machine.root
        (root / "etc/hostname").write_text(host.name + "\n")
        for cable in host.cables:
            unit = root / f"etc/systemd/network/10-lab-{cable.interface}.network"
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.write_text(f"[Match]\nName={cable.interface}\n\n[Network]\nAddress={cable.address}\nLinkLocalAddressing=no\n")
        key = (self.spec.state_dir / "ssh" / "id_ed25519.pub").read_text()
        (root / "root/.ssh/authorized_keys").write_text(key)
        run(["ssh-keygen", "-A", "-f", str(root)])  # The shared root carries no host key.
        marker.write_text("")
        return True

    def power(self, host: str, *, on: bool) -> bool:
        """Switch a host on or cut its power; say whether that changed anything."""
        spec = self.spec.host(host)
        machine = self.container(host)
        if machine.running() == on:
            return False
        if not on:
            machine.cut_power()
            return True
        binds = []
        for disk in spec.disks:
            lab_disk = self.disk(host, disk.name)
            if not lab_disk.healthy():
                lab_disk.detach()
                lab_disk.attach(disk.size_gib)
            binds.append(Bind(lab_disk.mount_point, str(Path(disk.path).parent)))
        machine.start(tuple(binds))
        return True

    def start_bmcs(self) -> bool:
        """Start the BMC service unless it runs; say whether it had to be started."""
        group = Group(BMC_GROUP)
        if group.alive():
            return False
        group.remove()
        namespace = network.namespace_path(network.SWITCHES)
        argv = ["nsenter", f"--net={namespace}", sys.executable, "-m", "wardstack.lab.bmc"]
        argv.append(str(self.inventory.resolve()))
        path = os.pathsep.join(filter(None, sys.path))
        group.spawn(argv, self.folder / "bmc.log", {"PYTHONPATH": path})
        return True
