"""Domains, networks and secrets of this host's libvirt."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from .process import AgentError, Step, run, write

VM_DIR = Path("/etc/wardstack/vms")
SECRET_DIR = Path("/etc/wardstack/vm-secrets")
"""Sealed passphrases, UUID.jwe. Role libvirt's wardstack-vm-secrets.service opens them all when libvirtd starts."""

SEPARATOR = "=====wardstack====="


def virsh(*commands: str) -> list[str]:
    """Run several virsh commands in one process and return what each printed.

    Raises:
        AgentError: one of them failed.
    """
    text = run(["virsh", "-q", "-c", "qemu:///system", f"; echo {SEPARATOR}; ".join(commands)], timeout_s=30)
    return [part.strip("\n") for part in text.split(SEPARATOR)]


def observe() -> dict[str, Any]:
    """Read networks, secrets, running domains and the files that define them."""
    nets, secrets, running = virsh("net-list --all", "secret-list", "list --name")
    table = [line.split() for line in nets.splitlines() if line.split()]
    names = [row[0] for row in table]
    domains = running.split()
    details = virsh(*[f"net-dumpxml {name} --inactive" for name in names], *[f"dumpxml {d}" for d in domains], "echo")
    return {
        "networks": {
            row[0]: {"active": row[1] == "active", "autostart": row[2] == "yes", "xml": xml}
            for row, xml in zip(table, details, strict=False)
        },
        "running": dict(zip(domains, details[len(names) :], strict=False)),
        "files": {path.stem: path.read_text(encoding="utf-8") for path in sorted(VM_DIR.glob("*.xml"))},
        "secrets": _secrets(secrets),
        "sealed": {
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(SECRET_DIR.glob("*.json"))
            if path.with_suffix(".jwe").exists()
        },
    }


def _secrets(table: str) -> dict[str, str]:
    """UUID → digest of the value for Ceph keys (which may be read back), empty for others."""
    rows = [line.split(maxsplit=1) for line in table.splitlines() if line.strip()]
    found = {row[0]: "" for row in rows}
    for row in rows:
        if len(row) > 1 and row[1].startswith("ceph"):
            value = run(["virsh", "-q", "secret-get-value", row[0]], check=False).strip()
            found[row[0]] = key_digest(value) if value else ""
    return found


def key_digest(key: str) -> str:
    """Digest by which two places compare a Ceph key (128 random bits) without showing it."""
    return hashlib.sha256(b"wardstack ceph key " + key.strip().encode()).hexdigest()[:16]


def network(step: Step, name: str, xml: str) -> None:
    """Define a network, start it, and have it started with the host.

    A network that forwards to a bridge owns no device, so that restarting it
    with another definition leaves running VMs on the bridge.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(xml)
        file.flush()
        run(["virsh", "-q", "net-define", file.name])
    state = {r.split()[0]: r.split()[1] for r in virsh("net-list --all")[0].splitlines() if r.split()}
    if state.get(name) == "active":
        virsh(f"net-destroy {name}")
    virsh(f"net-start {name}", f"net-autostart {name}")


def network_delete(step: Step, name: str) -> None:
    """Forget a network."""
    known = {r.split()[0]: r.split()[1] for r in virsh("net-list --all")[0].splitlines() if r.split()}
    if known.get(name) == "active":
        virsh(f"net-destroy {name}")
    if name in known:
        virsh(f"net-undefine {name}")


def ceph_secret(step: Step, uuid: str, user: str, key: str) -> None:
    """Give libvirt the key of a storage user; it stays across restarts, as Ceph is needed to start anything."""
    xml = (
        f"<secret ephemeral='no' private='no'><uuid>{uuid}</uuid>"
        f"<usage type='ceph'><name>{user} (Wardstack)</name></usage></secret>"
    )
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        definition, value = Path(folder, "secret.xml"), Path(folder, "value")
        definition.write_text(xml, encoding="utf-8")
        write(value, key.encode(), 0o600)
        run(["virsh", "-q", "secret-define", str(definition)])
        # Without --plain: the key is base64 already, and libvirt decodes it before Ceph sees it.
        run(["virsh", "-q", "secret-set-value", uuid, "--file", str(value)])


def seal(step: Step, passphrase: str, threshold: int, pins: list[dict[str, str]]) -> str:
    """Encrypt a passphrase so that ``threshold`` of the Tang servers open it again.

    Args:
        step: called with what is being done.
        passphrase: what to encrypt.
        threshold: how many servers must answer.
        pins: ``{"url": …, "thp": …}`` per server; the thumbprint was read on that server itself over ssh.

    Returns:
        The JWE; without the servers it is worthless, so it may lie on any disk.
    """
    step("sealing its passphrase to the Tang servers")
    config = json.dumps({"t": threshold, "pins": {"tang": pins}})
    return run(["clevis", "encrypt", "sss", config], stdin=passphrase.encode(), timeout_s=60).strip()


def unlock(step: Step, uuid: str, jwe: str, note: dict[str, Any]) -> None:
    """Keep a sealed passphrase on this host and open it by the Tang servers, as the host will after a power cut.

    Raises:
        AgentError: too few of the servers answer.
    """
    SECRET_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(SECRET_DIR / f"{uuid}.jwe", jwe.encode() + b"\n", 0o600)
    xml = f"<secret ephemeral='yes' private='yes'><uuid>{uuid}</uuid></secret>"
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        definition, value = Path(folder, "secret.xml"), Path(folder, "value")
        definition.write_text(xml, encoding="utf-8")
        try:
            passphrase = run(["clevis", "decrypt"], stdin=jwe.encode(), timeout_s=60)
        except AgentError as error:
            raise AgentError(
                f"the passphrase of {note['volume']} cannot be opened here ({error})",
                f"{note['threshold']} of the Tang servers must answer this host",
            ) from None
        write(value, passphrase.encode(), 0o600)
        run(["virsh", "-q", "secret-define", str(definition)])
        # With --plain: what Ceph's LUKS code gets is these very characters.
        run(["virsh", "-q", "secret-set-value", uuid, "--file", str(value), "--plain"])
    # Last: without the note the next plan seals it again.
    write(SECRET_DIR / f"{uuid}.json", json.dumps(note, sort_keys=True).encode() + b"\n", 0o600)


def unlock_delete(step: Step, uuid: str) -> None:
    """Forget a passphrase on this host."""
    for suffix in (".json", ".jwe"):
        (SECRET_DIR / f"{uuid}{suffix}").unlink(missing_ok=True)
    if uuid in _secrets(virsh("secret-list")[0]):
        virsh(f"secret-undefine {uuid}")


def vm_file(step: Step, name: str, xml: str) -> None:
    """Write the file from which Pacemaker starts a VM."""
    write(VM_DIR / f"{name}.xml", xml.encode(), 0o644)


def vm_delete(step: Step, name: str) -> None:
    """Remove a VM's file; the VM itself was stopped by the cluster before."""
    if name in virsh("list --name")[0].split():
        raise AgentError(f"VM {name} still runs here", f"Stop it: 'virsh shutdown {name}'")
    (VM_DIR / f"{name}.xml").unlink(missing_ok=True)


def block_resize(step: Step, name: str, target: str, size_mib: int) -> bool:
    """Tell a VM that runs on this host that a volume grew.

    Returns:
        False when it does not run here.
    """
    if name not in virsh("list --name")[0].split():
        return False
    virsh(f"blockresize {name} {target} {size_mib}MiB")
    return True


def guest_ready(step: Step, name: str, timeout_s: float) -> None:
    """Wait until a VM's guest agent answers, which it does when the guest has booted.

    Raises:
        AgentError: it does not in time.
    """
    step("waiting for its operating system")
    until = time.monotonic() + timeout_s
    ping = ["virsh", "-q", "qemu-agent-command", name, '{"execute":"guest-ping"}', "--timeout", "5"]
    while "return" not in run(ping, check=False):
        if time.monotonic() > until:
            raise AgentError(
                f"VM {name} was started, but its guest agent does not answer after {timeout_s:.0f} s",
                f"Read its console: /var/log/libvirt/qemu/{name}-console.log on this host",
            )
        time.sleep(2)
