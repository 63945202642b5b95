"""A throw-away system for tests: one container in a namespace of its own, with ssh.

``python -m wardstack.lab.instance create NAME --root host|guest`` prints JSON with
what Ansible needs to reach it; ``destroy NAME`` removes it without a trace.
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
from wardstack.lab.command import LabError, run
from wardstack.lab.container import Container
from wardstack.lab.paths import instances_dir, roots_dir
from wardstack.lab.rootfs import ensure_host_root
from wardstack.lab.teardown import unmount_below

PREFIX = "ws-i-"
ADDRESSES = {"eth0": "10.79.0.10/24", "eth1": "10.79.1.10/24"}


def _root(kind: str) -> Path:
    if kind == "host":
        return ensure_host_root(lambda text: print(text, file=sys.stderr))
    found = sorted(roots_dir().glob("guest-????????????"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise LabError(
            "there is no cached archive node root file system; build it with `ansible-playbook -i inventories/lab playbooks/image.yml`"
        )
    return found[-1]


def _container(name: str, root: Path) -> Container:
    return Container(name, instances_dir() / name, root, PREFIX + name, f"i-{name}")


def create(name: str, kind: str) -> dict[str, str]:
    """Start an instance and wait for ssh; return its connection variables.

    A bridge with its own far end stands for each network, so that roles which
    enslave interfaces or listen for neighbours find real ones.
    """
    namespace = PREFIX + name
    machine = _container(name, _root(kind))
    network.add_namespace(namespace)
    for interface, address in ADDRESSES.items():
        if interface not in network.links(namespace):
            network.add_cable(namespace, interface, f"far-{interface}")
            run(["ip", "-n", namespace, "link", "set", f"far-{interface}", "up"])
        run(["ip", "-n", namespace, "addr", "replace", address, "dev", interface])
        run(["ip", "-n", namespace, "link", "set", interface, "up"])
    ensure_ssh_key(instances_dir())
    machine.mount()
    root = machine.root
    public = (instances_dir() / "ssh" / "id_ed25519.pub").read_text()
    (root / "etc/hostname").write_text(name + "\n")
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_text(public)
    for interface, address in ADDRESSES.items():
        unit = root / f"etc/systemd/network/10-lab-{interface}.network"
        unit.write_text(f"[Match]\nName={interface}\n\n[Network]\nAddress={address}\nLinkLocalAddressing=no\n")
    if kind == "guest":  # Cloud-init has no seed here and the kernel's modules no use.
        (root / "etc/cloud").mkdir(exist_ok=True)
        (root / "etc/cloud/cloud-init.disabled").write_text("")
        run(["systemctl", f"--root={root}", "-q", "enable", "systemd-networkd", "ssh"])
    run(["ssh-keygen", "-A", "-f", str(root)])
    machine.start()
    address = str(ipaddress.IPv4Interface(ADDRESSES["eth0"]).ip)
    deadline = time.monotonic() + 120
    while not answers(namespace, address, 22):
        if time.monotonic() > deadline:
            raise LabError(f"{name} does not answer on port 22; console: {machine.folder}/console")
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
    """Remove an instance; a missing one is no error."""
    machine = _container(name, Path("/"))
    machine.group.remove()
    unmount_below(machine.folder)
    network.remove(PREFIX + name)
    shutil.rmtree(machine.folder, ignore_errors=True)


def main() -> None:
    """Parse the command line and act."""
    parser = argparse.ArgumentParser(prog="wardstack.lab.instance", description=__doc__)
    parser.add_argument("action", choices=("create", "destroy"))
    parser.add_argument("name")
    parser.add_argument("--root", choices=("host", "guest"), default="host")
    chosen = parser.parse_args()
    try:
        if chosen.action == "create":
            print(json.dumps(create(chosen.name, chosen.root)))
        else:
            destroy(chosen.name)
    except LabError as error:
        sys.exit(f"wardstack: {error}")


if __name__ == "__main__":
    main()
