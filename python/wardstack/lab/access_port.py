"""The switch port at which the controller, untagged, takes part in a VLAN.

The switches carry tagged frames as they are. For the controller's own address in
a tagged network somebody must take the tag off and put it on; the machine's kernel
may have no VLAN devices, so a small process does it between two tap devices:
``vlan-NETWORK`` (the controller's, untagged) and ``t-NETWORK`` (on the switch).
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from wardstack.lab import network
from wardstack.lab.cgroup import Group
from wardstack.lab.command import run

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
FRAME = 65600
ETHERTYPE = b"\x81\x00"  # IEEE 802.1Q


def plug_in(name: str, bridge: str, vlan: int, addresses: Sequence[str], log: Path) -> None:
    """Give the controller these ``ADDRESS/PREFIX`` in a tagged network; a port that works is kept."""
    inside, outside = _ends(name)
    network.connect_tap(network.SWITCHES, outside, bridge)
    network.connect_tap(network.SWITCHES, inside)
    for address in addresses:
        run(["ip", "-n", network.SWITCHES, "addr", "replace", address, "dev", inside])
    group = Group(f"vlan-{name}")
    if group.alive():
        return
    group.remove()
    enter = ["nsenter", f"--net={network.namespace_path(network.SWITCHES)}"]
    argv = [*enter, sys.executable, "-m", "wardstack.lab.access_port", inside, outside, str(vlan)]
    group.spawn(argv, log, {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


def tag(frame: bytes, vlan: int) -> bytes:
    """Return an Ethernet frame with the tag of a VLAN."""
    return frame[:12] + ETHERTYPE + struct.pack("!H", vlan) + frame[12:]


def untag(frame: bytes, vlan: int) -> bytes | None:
    """Return a tagged Ethernet frame without its tag, or None when it is not of this VLAN."""
    if frame[12:14] != ETHERTYPE or len(frame) < 18:
        return None
    (control,) = struct.unpack_from("!H", frame, 14)
    return frame[:12] + frame[16:] if control & 0x0FFF == vlan else None


def serve(inside: str, outside: str, vlan: int) -> None:
    """Carry frames between the two ends until killed."""
    untagged, tagged = _open(inside), _open(outside)
    while True:
        ready, _, _ = select.select((untagged, tagged), (), ())
        if untagged in ready:
            _write(tagged, tag(os.read(untagged, FRAME), vlan))
        if tagged in ready and (frame := untag(os.read(tagged, FRAME), vlan)) is not None:
            _write(untagged, frame)


def _ends(name: str) -> tuple[str, str]:
    """Return the interface names (15 characters at most) of the controller's end and the switch's end."""
    return f"vlan-{name}"[:15], f"t-{name}"[:15]


def _open(tap: str) -> int:
    handle = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", tap.encode(), IFF_TAP | IFF_NO_PI))
    return handle


def _write(handle: int, frame: bytes) -> None:
    with suppress(OSError):  # As a switch does with a port that is down: the frame is lost.
        os.write(handle, frame)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
