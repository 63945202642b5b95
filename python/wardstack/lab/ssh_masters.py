"""The shared ssh connections that Ansible leaves open for a while (ControlPersist), and which a tear-down ends."""

from __future__ import annotations

from pathlib import Path

from wardstack.lab.command import run

RUN = Path("/run")
"""Where the sockets lie: see ControlPath in inventories/lab/group_vars/all.yml and in wardstack/lab/instance.py."""


def close_masters(start: str) -> None:
    """End every shared connection whose socket's name begins so, and remove what a killed one left."""
    for socket in sorted(RUN.glob(start + "*")):
        # The destination is not looked at, only asked for.
        run(["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "lab"], check=False)
        socket.unlink(missing_ok=True)
