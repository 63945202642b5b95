"""A Debian system booted as a full VM: its own kernel, disk and network cards.

What a container cannot have is real here: LVM, dm-crypt, VLAN devices, bonds, a
watchdog, and under CPU emulation a KVM of its own (``-cpu max`` emulates AMD's
SVM). Its price is speed: see ``docs/operations/lab.md``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wardstack.lab import kvm_probe
from wardstack.lab.cgroup import Group
from wardstack.lab.command import run
from wardstack.lab.kernel import Kernel
from wardstack.lab.machine import Slot, locked
from wardstack.lab.network import namespace_path
from wardstack.lab.vm_image import LABEL
from wardstack.lab.vm_seed import appended

# eth0, eth1, … in the order of the network cards, the names that the inventory uses.
KERNEL_OPTIONS = (
    f"root=LABEL={LABEL} rw net.ifnames=0 console=ttyS0 panic=5 mitigations=off quiet systemd.show_status=0"
)
CPUS = 2


@dataclass(frozen=True)
class Hardware:
    """What a VM is made of.

    Attributes:
        image: The disk that its own disk is a copy-on-write layer of.
        kernel: The kernel it boots.
        taps: Its network cards by the names of the tap devices they are plugged into.
        memory_mib: Its memory; pages that it does not use are given back.
    """

    image: Path
    kernel: Kernel
    taps: Sequence[str]
    memory_mib: int


class VmHost:
    """One VM, running or not; its folder keeps its disk through power cuts."""

    def __init__(self, name: str, folder: Path, namespace: str, group: str, hardware: Hardware) -> None:
        """Describe the VM; nothing is made or started."""
        self.name = name
        self.folder = folder
        self.namespace = namespace
        self.group = Group(group)
        self.hardware = hardware

    @property
    def root(self) -> Path:
        """The folder whose files the VM takes over at its first boot."""
        return self.folder / "seed"

    @property
    def disk(self) -> Path:
        """The VM's system disk."""
        return self.folder / "system.qcow2"

    def prepare(self) -> None:
        """Make the system disk and the seed's folder where they are missing."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not self.disk.exists():
            making = self.disk.with_suffix(".new")
            backing = ["-b", str(self.hardware.image), "-F", "raw"]
            run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(making)])
            making.rename(self.disk)

    def running(self) -> bool:
        """Say whether the VM is powered on."""
        return self.group.alive()

    def start(self, slots: tuple[Slot, ...] = ()) -> None:
        """Power on; a running VM is left alone."""
        with locked(self.folder):
            if self.running():
                return
            self.prepare()
            self.group.remove()
            initramfs = self.folder / "initramfs"
            initramfs.write_bytes(appended(self.hardware.kernel.initramfs.read_bytes(), self.root))
            for slot in slots:
                plug(slot)
            enter = ["nsenter", f"--net={namespace_path(self.namespace)}"]
            self.group.spawn(
                [*enter, *self.command(initramfs, slots, kvm=kvm_probe.works(self.hardware.kernel))],
                self.folder / "qemu.log",
                {},
            )

    def command(self, initramfs: Path, slots: tuple[Slot, ...], *, kvm: bool) -> list[str]:
        """Return QEMU's command line."""
        hardware = self.hardware
        argv = ["qemu-system-x86_64", "-name", self.name, "-nodefaults", "-no-user-config", "-display", "none"]
        argv += ["-machine", "q35", "-smp", str(CPUS), "-m", str(hardware.memory_mib)]
        if kvm:
            argv += ["-accel", "kvm", "-cpu", "host"]
        else:
            argv += ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"]
        argv += ["-kernel", str(hardware.kernel.image), "-initrd", str(initramfs), "-append", KERNEL_OPTIONS]
        argv += ["-chardev", f"file,id=console,path={self.folder}/console,append=on", "-serial", "chardev:console"]
        argv += ["-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"]
        argv += ["-device", "virtio-balloon-pci,free-page-reporting=on"]
        argv += ["-device", "i6300esb", "-action", "watchdog=reset"]
        # `unsafe` leaves out only the machine's own flush to its hardware: what the host has flushed is in files
        # of this machine and stays when QEMU is killed; what it has not is in its memory and is gone.
        argv += _disk("system", self.disk, "qcow2", "unsafe")
        for slot in slots:
            # A disk that is made to fail loses what this machine has not flushed to it (seen), so a flush must arrive.
            argv += _disk(slot.name, content(slot), "raw", "writeback")
        for index, tap in enumerate(hardware.taps):
            argv += ["-netdev", f"tap,id=net{index},ifname={tap},script=no,downscript=no"]
            argv += ["-device", f"virtio-net-pci,netdev=net{index},mac={mac(self.namespace, self.name, index)}"]
        return argv

    def cut_power(self) -> None:
        """Kill the VM at once."""
        with locked(self.folder):
            self.group.kill()

    def destroy(self) -> None:
        """Cut the power and remove everything the VM wrote to its system disk."""
        self.group.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def content(slot: Slot) -> Path:
    """Return the file that holds what is on a disk."""
    return slot.folder / f"{slot.name}.raw"


def plug(slot: Slot) -> None:
    """Make a disk's file (sparse) where it is missing."""
    file = content(slot)
    if not file.exists():
        file.touch()
        os.truncate(file, slot.size_gib * 2**30)


def mac(namespace: str, name: str, index: int) -> str:
    """Return the address of a network card: the same at every start, in QEMU's range."""
    tail = hashlib.sha256(f"{namespace} {name} {index}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail[:3])


def _disk(serial: str, file: Path, kind: str, cache: str) -> list[str]:
    # The host sees every error of its disk as one, instead of being stopped by QEMU.
    drive = f"id={serial},if=none,file={file},format={kind},cache={cache},discard=unmap,werror=report,rerror=report"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]
