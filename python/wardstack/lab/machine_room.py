"""The machine room: hosts with their cables, disks and power, as the inventory names them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wardstack.lab import access_port, network
from wardstack.lab.cgroup import Group
from wardstack.lab.command import LabError
from wardstack.lab.container import Container
from wardstack.lab.disk import LabDisk
from wardstack.lab.installer import install
from wardstack.lab.kernel import kernel
from wardstack.lab.machine import Machine, Slot
from wardstack.lab.paths import lab_dir
from wardstack.lab.rootfs import host_root
from wardstack.lab.spec import Disk, HostSpec, LabSpec
from wardstack.lab.vm_host import Hardware, VmHost
from wardstack.lab.vm_image import image_path

# A little more than a host must have by the standards: the kernel keeps some of it for itself.
VM_MEMORY_MIB = 4352


class MachineRoom:
    """The hosts of one lab; every method may be called again after an interruption."""

    def __init__(self, spec: LabSpec, inventory: Path) -> None:
        """Describe the room; nothing is made or started."""
        self.spec = spec
        self.inventory = inventory
        self.folder = lab_dir()

    def machine(self, host: str) -> Machine:
        """Return the container or the VM that stands for a host."""
        folder = self.folder / "hosts" / host
        group = f"host-{host}"
        if self.spec.form == "container":
            return Container(host, folder, host_root(), network.host_namespace(host), group)
        taps = [network.port(host, index) for index, _ in enumerate(self.spec.host(host).cables)]
        hardware = Hardware(image_path(host_root(), kernel()), kernel(), taps, VM_MEMORY_MIB)
        return VmHost(host, folder, network.SWITCHES, group, hardware)

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
        before = network.ports()
        for index, (name, lan) in enumerate(self.spec.networks.items()):
            # The controller has the first address of every network; BMCs hang on the first network.
            addresses = [str(next(lan.subnet.hosts()))]
            if index == 0:
                addresses += [host.bmc_address for host in self.spec.hosts]
            with_prefix = [f"{address}/{lan.subnet.prefixlen}" for address in addresses]
            network.build_switch(lan.bridge, with_prefix if lan.vlan is None else [])
            if lan.vlan is not None:
                access_port.plug_in(name, lan.bridge, lan.vlan, with_prefix, self.folder / f"vlan-{name}.log")
        for host in self.spec.hosts:
            for index, cable in enumerate(host.cables):
                if self.spec.form == "container":
                    network.connect_host(host.name, index, cable.interface, cable.bridge)
                else:
                    network.connect_tap(network.SWITCHES, network.port(host.name, index), cable.bridge)
        return network.ports() != before

    def install_host(self, host: HostSpec) -> bool:
        """Give a host its disk content as an installer would: name, addresses, ssh key.

        A host that was installed before keeps what it has.
        """
        machine = self.machine(host.name)
        marker = machine.folder / "installed"
        machine.prepare()
        for disk in host.disks:
            self.disk(host.name, disk.name).attach(disk.size_gib)
        if marker.exists():
            return False
        key = (self.spec.state_dir / "ssh" / "id_ed25519.pub").read_text()
        addresses = {cable.interface: cable.address for cable in host.addressed()}
        install(machine.root, host.name, addresses, key)
        marker.write_text("")
        return True

    def power(self, host: str, *, on: bool) -> bool:
        """Switch a host on or cut its power; say whether that changed anything."""
        spec = self.spec.host(host)
        machine = self.machine(host)
        if machine.running() == on:
            return False
        if not on:
            machine.cut_power()
            return True
        machine.start(tuple(self._slot(spec, disk) for disk in spec.disks))
        return True

    def _slot(self, host: HostSpec, disk: Disk) -> Slot:
        """Plug a disk in; one that failed is given back, as its replacement would be."""
        lab_disk = self.disk(host.name, disk.name)
        if not lab_disk.healthy():
            lab_disk.detach()
            lab_disk.attach(disk.size_gib)
        return Slot(disk.name, lab_disk.mount_point, disk.path, disk.size_gib)

    def start_bmc(self, host: str) -> bool:
        """Start a host's BMC unless it runs; say whether it had to be started."""
        group = Group(f"bmc-{host}")
        if group.alive():
            return False
        group.remove()
        namespace = network.namespace_path(network.SWITCHES)
        argv = ["nsenter", f"--net={namespace}", sys.executable, "-m", "wardstack.lab.bmc"]
        argv += [str(self.inventory.resolve()), host]
        path = os.pathsep.join(filter(None, sys.path))
        group.spawn(argv, self.folder / "bmc.log", {"PYTHONPATH": path})
        return True
