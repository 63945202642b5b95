"""What an installer leaves on a bare host's disk, the same for both forms: name, addresses, ssh keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wardstack.lab.command import run


def install(root: Path, name: str, addresses: Mapping[str, object], public_key: str) -> None:
    """Write a host's identity into its root file system, or into the seed of it.

    Args:
        root: The folder that is, or will be laid over, the host's ``/``.
        name: The host's name.
        addresses: ``ADDRESS/PREFIX`` by interface.
        public_key: The ssh key that may log in as root.

    Raises:
        LabError: The host's own ssh keys could not be made.
    """
    # ssh-keygen says nothing and makes nothing where the last of these is missing.
    for part in ("etc/systemd/network", "etc/ssh"):
        (root / part).mkdir(parents=True, exist_ok=True)
    (root / "root").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "etc/hostname").write_text(name + "\n")
    for interface, address in addresses.items():
        unit = root / f"etc/systemd/network/10-lab-{interface}.network"
        unit.write_text(f"[Match]\nName={interface}\n\n[Network]\nAddress={address}\nLinkLocalAddressing=no\n")
    (root / "root/.ssh/authorized_keys").write_text(public_key)
    run(["ssh-keygen", "-A", "-f", str(root)])
