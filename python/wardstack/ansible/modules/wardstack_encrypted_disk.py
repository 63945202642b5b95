#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""A disk that only a quorum of key servers opens: formatted once, bound, and mounted at every boot without a person.

Self-contained on purpose: it runs on the target, where only Python's standard library is at hand.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: wardstack_encrypted_disk
short_description: Keep a disk encrypted by LUKS2, opened by a quorum of Tang servers, and mounted
version_added: "1.0.0"
description:
  - Formats only a disk without any signature whose first MiB is zero. Whatever else is on it is refused, never erased.
  - Each step leaves its mark in the LUKS2 header (its subsystem field), so that a run that was killed is taken up again
    by the next. V(unbound) and V(unfilled) disks hold nothing yet and are made anew. A V(finished) one is only opened.
  - The key that formats is random, lives in memory only, and is removed once the key servers have opened the disk.
  - Other servers or another threshold seal the same key anew, once the old ones opened it.
author:
  - Wardstack contributors
options:
  device:
    description: The disk, such as V(/dev/vdb).
    type: path
    required: true
  name:
    description: Name of the opened disk under V(/dev/mapper).
    type: str
    default: data
  mount:
    description: Folder at which it is mounted.
    type: path
    required: true
  urls:
    description: Addresses of the Tang servers. All of them must answer when the disk is bound.
    type: list
    elements: str
    required: true
  threshold:
    description: So many of the servers open the disk.
    type: int
    required: true
attributes:
  check_mode:
    description: Reports truthfully what would be done, also before the disk or the programs are there.
    support: full
  diff_mode:
    description: Shows the disk's state, its servers, and the lines of crypttab and fstab.
    support: full
"""

EXAMPLES = r"""
- name: Encrypt the data disk
  wardstack_encrypted_disk:
    device: /dev/vdb
    mount: /data
    threshold: 2
    urls: [http://10.78.0.11:7500, http://10.78.0.12:7500, http://10.78.0.13:7500]
"""

RETURN = r"""
state:
  description: State in which the disk was found.
  returned: success
  type: str
  sample: finished
actions:
  description: What was done (in check mode would be), in order.
  returned: success
  type: list
  sample: [format, bind, fill, write, adopt, mount]
"""

LABEL = "wardstack-data"
MISSING, BLANK, UNBOUND, UNFILLED, FINISHED = "missing", "blank", "unbound", "unfilled", "finished"
# A kill in the middle of luksFormat leaves random bytes without a signature; this note tells them from somebody's data.
NOTE = "/var/lib/wardstack/encrypted-disk"
# The key has 256 random bits, so there is nothing for a slow derivation to protect, and emulated CPUs would pay for it.
DERIVATION = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
KEY_BYTES = 32
MIB = 1024 * 1024
CRYPTTAB_OPTIONS = "luks,_netdev,nofail"
# What is shown as a change of the disk itself.
SEALING = {"format", "bind", "rebind", "fill"}
FSTAB_OPTIONS = "noatime,_netdev,nofail,x-systemd.device-timeout=300"


class DiskError(Exception):
    """What a person has to know or do."""


def run(argv: list[str], **extra: Any) -> str:
    """Run a program and return its output. Raises DiskError with its last words."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, **extra)
    except FileNotFoundError as error:
        raise DiskError(f"{argv[0]} is not installed") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise DiskError(f"`{' '.join(argv[:3])} …` failed ({done.returncode}): {said}")
    output: str = done.stdout
    return output


@dataclass(frozen=True)
class Found:
    """The disk as it is: a state, its UUID when it is ours, and the servers and threshold that it is bound to."""

    state: str
    uuid: str = ""
    urls: tuple[str, ...] = ()
    threshold: int = 0
    slot: str = ""


def identity(device: str) -> str:
    """What tells one blank disk from another: serial and size in bytes."""
    block = os.path.join("/sys/class/block", os.path.basename(os.path.realpath(device)))
    words = []
    for name in ("serial", "size"):
        try:
            with open(os.path.join(block, name), encoding="ascii") as source:
                words.append(source.read().strip())
        except OSError:
            words.append("")
    return " ".join(words)


def noted() -> str:
    """Identity of the disk whose formatting was begun, or nothing."""
    try:
        with open(NOTE, encoding="ascii") as source:
            return source.read()
    except FileNotFoundError:
        return ""


def inspect(device: str) -> Found:
    """Tell what is on the disk. Raises DiskError for anything that is not provably ours or blank."""
    if not os.path.exists(device):
        return Found(MISSING)
    probe = subprocess.run(["blkid", "-p", "-o", "export", device], capture_output=True, text=True, check=False)
    if probe.returncode not in (0, 2):
        raise DiskError(f"{device} holds contradicting signatures; nothing was changed: {probe.stderr.strip()}")
    tags = dict(line.split("=", 1) for line in probe.stdout.splitlines() if "=" in line)
    if tags.get("TYPE") == "crypto_LUKS":
        state = tags.get("SUBSYSTEM", "")
        if tags.get("LABEL") != LABEL or state not in (UNBOUND, UNFILLED, FINISHED):
            raise DiskError(f"{device} is encrypted already, but not by Wardstack (label {LABEL}); nothing was changed")
        return Found(state, tags["UUID"], *binding(device))
    signatures = run(["wipefs", "--no-act", "--noheadings", device]).strip()
    if signatures or probe.returncode == 0:
        kind = tags.get("TYPE") or tags.get("PTTYPE") or signatures
        raise DiskError(
            f"{device} is not blank ({kind}); nothing was changed. If nobody needs it, erase it by hand:"
            f" wipefs --all {device}, then the first MiB"
        )
    with open(device, "rb") as source:
        blank = not any(source.read(MIB))
    if not blank and noted() != identity(device):
        raise DiskError(
            f"{device} has no known signature, but its first MiB is not zero; nothing was changed. If nobody needs it:"
            f" dd if=/dev/zero of={device} bs=1M count=1"
        )
    return Found(BLANK)


def unseal(protected: str) -> dict[str, Any]:
    """The header of a sealed key (RFC 7516, base64url without padding)."""
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
    return header


def binding(device: str) -> tuple[tuple[str, ...], int, str]:
    """Servers, threshold and key slot that Clevis's token in the header names. Asking Clevis itself takes seconds."""
    metadata = json.loads(run(["cryptsetup", "luksDump", "--dump-json-metadata", device]))
    for token in metadata["tokens"].values():
        if token["type"] != "clevis":
            continue
        pin = unseal(token["jwe"]["protected"])["clevis"].get("sss", {})
        parts = [unseal(jwe.split(".", 1)[0])["clevis"] for jwe in pin.get("jwe", [])]
        urls = tuple(sorted(part["tang"]["url"] for part in parts if "tang" in part))
        return urls, int(pin.get("t", 0)), str(token["keyslots"][0])
    return (), 0, ""


def policy(urls: list[str], threshold: int) -> str:
    """Clevis's configuration of the quorum (clevis-encrypt-sss(1))."""
    return json.dumps({"t": threshold, "pins": {"tang": [{"url": url} for url in sorted(urls)]}})


def with_line(path: str, column: int, line: str) -> tuple[str, str]:
    """Text of a table before and after the line whose COLUMN equals ours takes its place."""
    try:
        with open(path, encoding="utf-8") as source:
            before = source.read()
    except FileNotFoundError:
        before = ""
    key = line.split()[column]

    def ours(text: str) -> bool:
        words = text.split()
        return len(words) > column and not words[0].startswith("#") and words[column] == key

    lines = before.splitlines()
    places = [index for index, text in enumerate(lines) if ours(text)]
    kept = [text for index, text in enumerate(lines) if index not in places]
    kept.insert(places[0] if places else len(kept), line)
    return before, "\n".join(kept) + "\n"


def write(path: str, text: str) -> None:
    """Replace a file in one step that survives a power cut."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.wardstack"
    with open(temporary, "w", encoding="utf-8") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    os.replace(temporary, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


class Disk:
    """The disk and what is wanted of it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.device: str = params["device"]
        self.name: str = params["name"]
        self.mount: str = params["mount"]
        self.urls: list[str] = params["urls"]
        self.threshold: int = params["threshold"]
        self.mapping = f"/dev/mapper/{self.name}"
        self.unit = f"systemd-cryptsetup@{self.name}.service"

    def mark(self, state: str) -> None:
        """Write down how far the disk has come, in its own header."""
        run(["cryptsetup", "config", self.device, "--label", LABEL, "--subsystem", state])

    def unlock(self) -> None:
        """Open the disk by the key servers, unless it is open."""
        if not os.path.exists(self.mapping):
            run(["clevis", "luks", "unlock", "-d", self.device, "-n", self.name])

    def close(self) -> None:
        """Close what an earlier, killed run opened; it was never mounted."""
        if os.path.exists(self.mapping):
            run(["cryptsetup", "close", self.name])

    def encrypt(self) -> None:
        """Format and bind. Ends as an unfilled disk that only the key servers open. The key never leaves memory."""
        self.close()
        # Clevis backs the header up while it binds; that copy, too, belongs into memory.
        folder = tempfile.mkdtemp(prefix="wardstack-disk.", dir="/run")
        try:
            key = os.path.join(folder, "key")
            with open(key, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as target:
                target.write(os.urandom(KEY_BYTES))
            write(NOTE, identity(self.device))
            options = ["--type", "luks2", *DERIVATION, "--label", LABEL, "--subsystem", UNBOUND]
            run(["cryptsetup", "luksFormat", "--batch-mode", *options, "--key-file", key, self.device])
            os.unlink(NOTE)
            quorum = policy(self.urls, self.threshold)
            run(
                ["clevis", "luks", "bind", "-y", "-d", self.device, "-k", key, "sss", quorum],
                env={**os.environ, "TMPDIR": folder},
            )
            # The key goes only after the servers have proved that they open the disk.
            self.unlock()
            run(["cryptsetup", "luksRemoveKey", "--batch-mode", self.device, key])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.mark(UNFILLED)

    def fill(self) -> None:
        """Make the file system. Nothing was ever mounted before the disk is marked as finished."""
        self.unlock()
        run(["mkfs.ext4", "-q", "-F", "-m", "1", "-L", LABEL, self.mapping])
        self.mark(FINISHED)

    def rebind(self, slot: str) -> None:
        """Seal the key for other servers or another threshold."""
        folder = tempfile.mkdtemp(prefix="wardstack-disk.", dir="/run")
        try:
            quorum = policy(self.urls, self.threshold)
            run(
                ["clevis", "luks", "edit", "-f", "-d", self.device, "-s", slot, "-c", quorum],
                env={**os.environ, "TMPDIR": folder},
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopted(self) -> bool:
        """Whether systemd knows the opened disk as its own."""
        asked = ["systemctl", "is-active", "--quiet", self.unit]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def adopt(self) -> None:
        """Have systemd close the disk at shutdown although it did not open it; else it waits for minutes in vain."""
        self.unlock()
        run(["systemctl", "start", self.unit])

    def attach(self) -> None:
        """Mount the disk by its unit, so that it is taken down in order at shutdown."""
        if not os.path.isdir(self.mount):
            os.makedirs(self.mount, mode=0o755)
        if os.listdir(self.mount):
            raise DiskError(f"{self.mount} holds files of the system disk, which the data disk would hide: move them")
        # While the disk is closed nobody may fill the system disk instead of it. Not every file system knows the flag.
        subprocess.run(["chattr", "+i", self.mount], capture_output=True, check=False)
        unit = run(["systemd-escape", "--path", "--suffix=mount", self.mount]).strip()
        run(["systemctl", "start", unit])

    def tables(self, uuid: str) -> dict[str, tuple[str, str]]:
        """The files that open and mount the disk at boot, before and after."""
        return {
            "/etc/crypttab": with_line("/etc/crypttab", 0, f"{self.name} UUID={uuid} none {CRYPTTAB_OPTIONS}"),
            "/etc/fstab": with_line("/etc/fstab", 1, f"{self.mapping} {self.mount} ext4 {FSTAB_OPTIONS} 0 2"),
        }


def mounted(disk: Disk) -> bool:
    """Whether the opened disk is what is mounted there. Raises DiskError when something else is."""
    if not os.path.ismount(disk.mount):
        return False
    source = run(["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", disk.mount]).split("\n")[-2].strip()
    if source != disk.mapping:
        raise DiskError(f"{source} is mounted at {disk.mount}, not {disk.mapping}")
    return True


def converge(disk: Disk, check: bool) -> dict[str, Any]:
    """Do what is left to do. Returns the module's result. Raises DiskError, OSError."""
    found = inspect(disk.device)
    if found.state == MISSING and not check:
        raise DiskError(f"there is no disk {disk.device}")
    actions: list[str] = []
    if found.state in (MISSING, BLANK, UNBOUND):
        actions += ["format", "bind"]
    elif (sorted(disk.urls), disk.threshold) != (list(found.urls), found.threshold):
        actions.append("rebind")
    if found.state != FINISHED:
        actions.append("fill")
    if not check:
        if "format" in actions:
            disk.encrypt()
        if "rebind" in actions:
            disk.rebind(found.slot)
        if "fill" in actions:
            disk.fill()
    # The UUID of a disk that check mode did not format is not known yet.
    uuid = found.uuid if check or "format" not in actions else inspect(disk.device).uuid
    tables = disk.tables(uuid or "new")
    if any(before != after for before, after in tables.values()):
        actions.append("write")
        if not check:
            for path, (_, after) in tables.items():
                write(path, after)
            run(["systemctl", "daemon-reload"])
    if not disk.adopted():
        actions.append("adopt")
        if not check:
            disk.adopt()
    if not mounted(disk):
        actions.append("mount")
        if not check:
            disk.attach()
    bound = {"state": found.state, "servers": list(found.urls), "threshold": found.threshold}
    wanted = {"state": FINISHED, "servers": sorted(disk.urls), "threshold": disk.threshold}
    diff = [shown(disk.device, as_text(bound), as_text(wanted))] if SEALING & set(actions) else []
    diff += [shown(path, *texts) for path, texts in tables.items() if texts[0] != texts[1]]
    if "adopt" in actions:
        diff.append(shown(disk.unit, "inactive\n", "active\n"))
    if "mount" in actions:
        diff.append(shown(disk.mount, "not mounted\n", "mounted\n"))
    return {"changed": bool(actions), "state": found.state, "actions": actions, "diff": diff}


def as_text(value: dict[str, Any]) -> str:
    """A state as lines for the diff."""
    return json.dumps(value, indent=2) + "\n"


def shown(header: str, before: str, after: str) -> dict[str, str]:
    """One entry of the diff."""
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "path", "required": True},
            "name": {"type": "str", "default": "data"},
            "mount": {"type": "path", "required": True},
            "urls": {"type": "list", "elements": "str", "required": True},
            "threshold": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    disk = Disk(module.params)
    if not re.fullmatch(r"[A-Za-z0-9_]+", disk.name):
        module.fail_json(msg=f"{disk.name} is no name for an opened disk: letters, digits and _ only")
    if not 1 <= disk.threshold <= len(disk.urls):
        module.fail_json(msg=f"{disk.threshold} of {len(disk.urls)} key servers can never open a disk")
    try:
        module.exit_json(**converge(disk, module.check_mode))
    except (DiskError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
