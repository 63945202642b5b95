# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""The network of this host: its files, what the kernel has, and changing it so that it can be taken back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

from ansible.module_utils.wardstack_network.render import PREFIX, Device, NetworkError

FOLDER = "/etc/systemd/network"
INTERFACES = "/etc/network/interfaces"
STATE = "/var/lib/wardstack/network"
PENDING = STATE + "/pending"
CHANGE = "/usr/local/lib/wardstack/network-change"
TIMER = "wardstack-network-rollback"
ONLY_LOOPBACK = (
    "# Written by Wardstack (role network): systemd-networkd has the interfaces.\nauto lo\niface lo inet loopback\n"
)


def run(*words: str) -> tuple[int, str]:
    """Run a command. Returns its exit code and all that it said."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return 127, f"{words[0]} is not installed"
    return done.returncode, (done.stdout + done.stderr).strip()


def interfaces() -> set[str]:
    """Return the names of this host's interfaces, without the loopback."""
    return set(os.listdir("/sys/class/net")) - {"lo", "bonding_masters"}


def read(path: str) -> str:
    """Return a file's text, empty when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def current_files() -> dict[str, str]:
    """Return the files of systemd-networkd in /etc by name."""
    if not os.path.isdir(FOLDER):
        return {}
    return {
        name: read(os.path.join(FOLDER, name))
        for name in sorted(os.listdir(FOLDER))
        if name.endswith((".network", ".netdev"))
    }


def superseded(found: dict[str, str], wanted: dict[str, str], devices: dict[str, Device]) -> list[str]:
    """Return the files that have to go: older ones of ours, and those of others that name one of our interfaces."""
    gone = []
    for name, text in found.items():
        if name in wanted:
            continue
        matched = re.findall(r"^\s*Name\s*=\s*(\S+)\s*$", text, re.MULTILINE)
        if name.startswith(PREFIX) or any(one in devices for one in matched):
            gone.append(name)
    return gone


def ifupdown_has(devices: dict[str, Device]) -> bool:
    """Whether Debian's ifupdown configures one of the interfaces."""
    text = read(INTERFACES)
    folder = INTERFACES + ".d"
    if os.path.isdir(folder):
        text += "".join(read(os.path.join(folder, name)) for name in os.listdir(folder))
    named = set(re.findall(r"^\s*iface\s+(\S+)", text, re.MULTILINE))
    return bool(named & set(devices))


def live_problem(devices: dict[str, Device]) -> str:
    """Return what the kernel does not have as wanted, empty when all is well."""
    code, text = run("ip", "-json", "address", "show")
    if code != 0:
        return "the addresses cannot be read"
    links = {link["ifname"]: link for link in json.loads(text)}
    for device in devices.values():
        link = links.get(device.name)
        if link is None:
            return f"there is no interface {device.name}"
        if device.port and link.get("master") != (device.bridge or device.bond):
            return f"{device.name} is not in {device.bridge or device.bond}"
        addresses = [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"]]
        if device.address and device.address not in addresses:
            return f"{device.name} does not have the address {device.address}"
        if device.port and any(one["scope"] == "global" for one in link["addr_info"]):
            return f"{device.name} still has an address of its own"
    return ""


def refuse_others() -> None:
    """Raise NetworkError where somebody else manages the network."""
    if run("systemctl", "is-active", "--quiet", "NetworkManager.service")[0] == 0:
        raise NetworkError(
            "NetworkManager manages this host's network; it and systemd-networkd would undo each other. Install the"
            " host without it, or disable NetworkManager.service at the console first"
        )


def write(path: str, text: str) -> None:
    """Replace a file as a whole."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    temporary = path + ".wardstack-new"
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(temporary, 0o644)
    os.rename(temporary, path)


def back_up() -> None:
    """Keep what is there now; while a change is pending the older copy, which somebody confirmed, is kept instead."""
    if os.path.exists(PENDING):
        return
    old, new = STATE + "/old", STATE + "/old.new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new, mode=0o700)
    if os.path.isdir(FOLDER):
        shutil.copytree(FOLDER, new + "/networkd", symlinks=True)
    else:
        os.makedirs(new + "/networkd")
    if os.path.exists(INTERFACES):
        shutil.copy2(INTERFACES, new + "/interfaces")
    write(new + "/links", "\n".join(sorted(interfaces())) + "\n")
    for unit in ("networking", "systemd-networkd"):
        if run("systemctl", "is-enabled", "--quiet", unit + ".service")[0] == 0:
            write(f"{new}/{unit.removeprefix('systemd-')}-enabled", "")
    shutil.rmtree(old, ignore_errors=True)
    os.rename(new, old)


def expectations(devices: dict[str, Device]) -> str:
    """Return what the switching script waits for and may delete again."""
    lines = []
    for device in devices.values():
        if device.address:
            lines.append(f"address {device.name} {device.address}")
        if device.port:
            lines.append(f"port {device.name}")
        if device.kind:
            lines.append(f"made {device.name}")
    return "\n".join(lines) + "\n"


def change(wanted: dict[str, str], devices: dict[str, Device], seconds: int) -> None:
    """Write the files and switch, with the way back armed before anything takes effect.

    Args:
        wanted: files by name.
        devices: the interfaces.
        seconds: after this long without :func:`confirm` the old network comes back.

    Raises:
        NetworkError: the way back cannot be armed (nothing was changed), or switching failed (it will be taken back).
    """
    back_up()
    write(STATE + "/expect", expectations(devices))
    disarm()
    write(PENDING, "")
    timer = (f"--unit={TIMER}", f"--on-active={seconds}s", "--timer-property=AccuracySec=1s")
    code, said = run("systemd-run", "--quiet", "--collect", *timer, CHANGE, "rollback")
    if code != 0:
        os.unlink(PENDING)
        raise NetworkError(f"the way back cannot be armed, so nothing was changed: {said}")
    for name in superseded(current_files(), wanted, devices):
        os.unlink(os.path.join(FOLDER, name))
    for name, text in wanted.items():
        write(os.path.join(FOLDER, name), text)
    if ifupdown_has(devices):
        write(INTERFACES, ONLY_LOOPBACK)
    # In a unit of its own, as the connection that we run over may break in the middle.
    code, said = run(
        "systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--unit=wardstack-network-switch", CHANGE, "switch"
    )
    if code != 0:
        raise NetworkError(f"the new network does not come up ({said}); the old one comes back in {seconds} s")


def disarm() -> None:
    """Stop the way back, if it is armed."""
    run("systemctl", "stop", f"{TIMER}.timer")


def confirm() -> None:
    """Keep the new network."""
    disarm()
    if os.path.exists(PENDING):
        os.unlink(PENDING)
