"""Networks of the lab: one namespace of switches, one namespace a host.

``ws-lab`` holds a bridge for each network of the site (the switches) and the
controller's own address on each; ``ws-lab-HOST`` is a host's network stack,
with one Ethernet interface a network. Nothing leaves the machine: there is no
uplink.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from wardstack.lab.command import run

SWITCHES = "ws-lab"


def host_namespace(host: str) -> str:
    """Return the name of a host's network namespace."""
    return f"{SWITCHES}-{host}"


def namespace_path(name: str) -> str:
    """Return the file that names a network namespace."""
    return f"/run/netns/{name}"


def namespaces() -> set[str]:
    """Return the named network namespaces of this machine."""
    folder = Path("/run/netns")
    return {p.name for p in folder.iterdir()} if folder.is_dir() else set()


def links(namespace: str) -> dict[str, bool]:
    """Return the interfaces of a namespace and whether each is switched on."""
    found = json.loads(run(["ip", "-n", namespace, "-j", "link", "show"]))
    return {link["ifname"]: "UP" in link["flags"] for link in found}


def port(host: str, index: int) -> str:
    """Return the name of the switch port of a host's interface number ``index``.

    Interface names may have 15 characters at most.
    """
    return f"p{index}-{host}"[:15]


def add_namespace(name: str) -> None:
    """Make a namespace with its loopback up; an existing one is kept."""
    if name not in namespaces():
        run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])


def build_switch(bridge: str, addresses: list[str]) -> None:
    """Make the bridge of one network in the switches' namespace, with these ``ADDRESS/PREFIX``."""
    add_namespace(SWITCHES)
    if bridge not in links(SWITCHES):
        run(["ip", "-n", SWITCHES, "link", "add", bridge, "address", hardware_address(bridge), "type", "bridge"])
    for address in addresses:
        run(["ip", "-n", SWITCHES, "addr", "replace", address, "dev", bridge])
    run(["ip", "-n", SWITCHES, "link", "set", bridge, "up"])


def hardware_address(name: str) -> str:
    """Return a MAC address that a thing of the lab always has, by its name.

    A bridge without an address of its own takes the lowest of its ports. One that the kernel draws by lot may be above
    those that libvirt gives VMs' ports (``fe:54:00``): then the bridge takes a VM's, and the host that the VM moves to
    has a port with the address of the host that it came from. The two no longer hear each other (seen, for minutes).
    """
    return ":".join(["02", *(f"{byte:02x}" for byte in hashlib.sha256(name.encode()).digest()[:5])])


def add_cable(namespace: str, end: str, other_end: str, other_namespace: str | None = None) -> None:
    """Make a cable between two namespaces (or within one) with these interface names as its ends."""
    near, far = hardware_address(f"{namespace}/{end}"), hardware_address(f"{other_namespace or namespace}/{other_end}")
    argv = ["ip", "-n", namespace, "link", "add", end, "address", near, "type", "veth"]
    argv += ["peer", "name", other_end, "address", far]
    run(argv if other_namespace is None else [*argv, "netns", other_namespace])


def connect_host(host: str, index: int, interface: str, bridge: str) -> None:
    """Plug a host's interface into a switch; a cable that is there is kept as it is."""
    namespace = host_namespace(host)
    add_namespace(namespace)
    cable = port(host, index)
    if cable in links(SWITCHES):
        return
    add_cable(SWITCHES, cable, interface, namespace)
    run(["ip", "-n", SWITCHES, "link", "set", cable, "master", bridge, "up"])


def connect_tap(namespace: str, tap: str, bridge: str | None = None) -> None:
    """Make the switch port that a VM's network card is plugged into, on a switch or without one."""
    add_namespace(namespace)
    if tap not in links(namespace):
        run(["ip", "-n", namespace, "tuntap", "add", "dev", tap, "mode", "tap"])
    if bridge is not None:
        run(["ip", "-n", namespace, "link", "set", tap, "master", bridge])
    run(["ip", "-n", namespace, "link", "set", tap, "up"])


def ports() -> set[str]:
    """Return all interfaces of the switches; empty when there are none."""
    return set(links(SWITCHES)) if SWITCHES in namespaces() else set()


def wired(host: str) -> bool:
    """Say whether a host's first cable exists, plugged in or pulled: the host has been made."""
    return port(host, 0) in ports()


def set_cable(host: str, index: int, *, up: bool) -> None:
    """Pull or plug the cable of a host's interface number ``index``."""
    run(["ip", "-n", SWITCHES, "link", "set", port(host, index), "up" if up else "down"])


def cable_up(host: str, index: int) -> bool:
    """Say whether the cable of a host's interface is plugged in."""
    return links(SWITCHES).get(port(host, index), False)


def remove(name: str) -> None:
    """Remove a namespace and all interfaces in it; a missing one is no error."""
    if name in namespaces():
        run(["ip", "netns", "del", name])
