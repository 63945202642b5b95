"""A throw-away system for tests: one machine in a namespace of its own, with ssh.

``python -m wardstack.lab.instance create NAME --root host|guest [--form vm]`` prints
JSON with what Ansible needs to reach it; ``destroy NAME`` removes it without a trace.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import shutil
import sys
import time
from pathlib import Path

from wardstack.lab import network
from wardstack.lab.api import answers, ensure_ssh_key
from wardstack.lab.cgroup import Group
from wardstack.lab.command import LabError, run
from wardstack.lab.container import Container
from wardstack.lab.installer import install
from wardstack.lab.kernel import ensure_kernel
from wardstack.lab.machine import Machine, Slot
from wardstack.lab.paths import instances_dir, roots_dir
from wardstack.lab.rootfs import ensure_host_root
from wardstack.lab.spec import FORMS
from wardstack.lab.ssh_masters import close_masters
from wardstack.lab.teardown import unmount_below
from wardstack.lab.vm_host import Hardware, VmHost
from wardstack.lab.vm_image import ensure_image

PREFIX = "ws-i-"
ADDRESSES = {"eth0": "10.79.0.10/24", "eth1": "10.79.1.10/24"}
# The far ends of a VM's cables: the controller's own addresses beside it.
FAR_ADDRESSES = {"eth0": "10.79.0.1/24", "eth1": "10.79.1.1/24"}
VM_MEMORY_MIB = 2048
BOOT_S = {"container": 120, "vm": 420}


def create(name: str, kind: str, form: str = "container", disks: tuple[tuple[str, int], ...] = ()) -> dict[str, str]:
    """Start an instance and wait for ssh; return its connection variables.

    Args:
        name: The instance's and the system's name.
        kind: The root file system: ``host`` or ``guest`` (an archive node's).
        form: ``container``, or ``vm`` where the test needs a kernel of its own.
        disks: Name and size in GiB of blank disks; a VM has them as ``/dev/disk/by-id/virtio-NAME``.

    Raises:
        LabError: It does not start; the message names its console.
    """
    if disks and form != "vm":
        raise LabError("only a full VM can have disks: add --form vm")
    namespace = PREFIX + name
    folder = instances_dir() / name
    lower = _root(kind)
    network.add_namespace(namespace)
    machine = _container(name, lower) if form == "container" else _vm(name, lower)
    ensure_ssh_key(instances_dir())
    machine.prepare()
    install(machine.root, name, ADDRESSES, (instances_dir() / "ssh" / "id_ed25519.pub").read_text())
    if kind == "guest" and form == "container":
        _no_cloud(machine.root)
    (folder / "disks").mkdir(exist_ok=True)
    slots = tuple(Slot(disk, folder / "disks", f"/dev/disk/by-id/virtio-{disk}", size) for disk, size in disks)
    machine.start(slots)
    address = str(ipaddress.IPv4Interface(ADDRESSES["eth0"]).ip)
    deadline = time.monotonic() + BOOT_S[form]
    while not answers(namespace, address, 22):
        if time.monotonic() > deadline or not machine.running():
            raise LabError(f"{name} does not answer on port 22; see {folder}/console and the logs beside it")
        time.sleep(0.2)
    proxy = f"nsenter --net={network.namespace_path(namespace)} socat - TCP:%h:%p"
    return {
        "address": address,
        "user": "root",
        "key": str(instances_dir() / "ssh" / "id_ed25519"),
        "ssh_args": f"-o ProxyCommand='{proxy}' -o StrictHostKeyChecking=no"
        f" -o UserKnownHostsFile=/dev/null -o ControlPath=/run/ws-i-{name}-%C",
    }


def destroy(name: str) -> None:
    """Remove an instance of either form; a missing one is no error."""
    folder = instances_dir() / name
    Group(f"i-{name}").remove()
    close_masters(f"{PREFIX}{name}-")
    unmount_below(folder)
    network.remove(PREFIX + name)
    shutil.rmtree(folder, ignore_errors=True)


def _root(kind: str) -> Path:
    if kind == "host":
        return ensure_host_root(_say)
    found = sorted(roots_dir().glob("guest-????????????"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise LabError(
            "there is no cached archive node root file system;"
            " build it with `ansible-playbook -i inventories/lab playbooks/image.yml`"
        )
    return found[-1]


def _container(name: str, lower: Path) -> Machine:
    """Lay the container's cables: a far end stands for each network, so that roles find real interfaces."""
    namespace = PREFIX + name
    for interface, address in ADDRESSES.items():
        if interface not in network.links(namespace):
            network.add_cable(namespace, interface, f"far-{interface}")
            run(["ip", "-n", namespace, "link", "set", f"far-{interface}", "up"])
        run(["ip", "-n", namespace, "addr", "replace", address, "dev", interface])
        run(["ip", "-n", namespace, "link", "set", interface, "up"])
    return Container(name, instances_dir() / name, lower, namespace, f"i-{name}")


def _vm(name: str, lower: Path) -> Machine:
    namespace = PREFIX + name
    kernel = ensure_kernel(_say)
    image = ensure_image(lower, kernel, _say)
    taps = [f"far-{interface}" for interface in ADDRESSES]
    for interface, tap in zip(ADDRESSES, taps, strict=True):
        network.connect_tap(namespace, tap)
        run(["ip", "-n", namespace, "addr", "replace", FAR_ADDRESSES[interface], "dev", tap])
    hardware = Hardware(image, kernel, taps, VM_MEMORY_MIB)
    return VmHost(name, instances_dir() / name, namespace, f"i-{name}", hardware)


def _no_cloud(root: Path) -> None:
    """Let an archive node's container start without cloud-init, which has no seed here.

    A VM's disk is made so.
    """
    (root / "etc/cloud/cloud-init.disabled").write_text("")
    run(["systemctl", f"--root={root}", "-q", "enable", "systemd-networkd", "ssh"])


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _disk(text: str) -> tuple[str, int]:
    name, _, size = text.partition(":")
    if not name.isalnum() or not size.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: write NAME:GIB, such as data:2")
    return name, int(size)


def main() -> None:
    """Parse the command line and act."""
    parser = argparse.ArgumentParser(prog="wardstack.lab.instance", description=__doc__)
    parser.add_argument("action", choices=("create", "destroy"))
    parser.add_argument("name")
    parser.add_argument("--root", choices=("host", "guest"), default="host")
    parser.add_argument("--form", choices=FORMS, default=FORMS[0])
    parser.add_argument("--disk", type=_disk, action="append", default=[], metavar="NAME:GIB")
    chosen = parser.parse_args()
    try:
        if chosen.action == "create":
            print(json.dumps(create(chosen.name, chosen.root, chosen.form, tuple(chosen.disk))))
        else:
            destroy(chosen.name)
    except LabError as error:
        sys.exit(f"wardstack: {error}")


if __name__ == "__main__":
    main()
