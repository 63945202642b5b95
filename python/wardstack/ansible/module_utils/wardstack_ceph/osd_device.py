"""An OSD on a whole block device: one logical volume, encrypted with dm-crypt where the host can.

Ceph's own tool `ceph-volume` makes it and opens it again at boot: the key of the
encryption lies in the monitors, so a disk that leaves the house reads nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import host
from .decide import DiskContent
from .settings import STATE, CephError, Disk, Settings


def folder(number: int) -> Path:
    """Return the OSD's folder."""
    return STATE / "osd" / f"ceph-{number}"


def group(settings: Settings, disk: Disk) -> str:
    """Return the name of the disk's volume group; it says whose disk it is."""
    return f"ceph-{settings.osd_uuid(disk)}"


def volume(settings: Settings, disk: Disk) -> str:
    """Return group and name of the disk's logical volume."""
    return f"{group(settings, disk)}/osd-block"


def dm_crypt_works() -> bool:
    """Say whether the kernel has dm-crypt, loading it if need be."""
    subprocess.run(["modprobe", "-q", "dm_crypt"], capture_output=True, check=False)
    try:
        targets = host.run(["dmsetup", "targets"])
    except CephError:
        return False
    return shutil.which("cryptsetup") is not None and any(line.startswith("crypt ") for line in targets.splitlines())


def check_encryption(settings: Settings, disk: Disk) -> None:
    """Refuse a host without dm-crypt, or an OSD without encryption, where the site requires encryption.

    Raises:
        CephError: encryption is required and not to be had.
    """
    if settings.encryption != "required":
        return
    subject = f"{settings.host}/{disk.id} ({disk.path})"
    if not dm_crypt_works():
        raise CephError(f"{subject}: storage disks have to be encrypted (STD-04.5), but this host has no dm-crypt")
    if _tags(settings, disk).get("ceph.encrypted") == "0":
        raise CephError(
            f"{subject}: the OSD on it is not encrypted, but has to be (STD-04.5); empty the disk and name it in "
            "`ceph_osd_replace` to build it anew, one disk at a time"
        )


def content(settings: Settings, disk: Disk, *, booted: bool) -> tuple[DiskContent, str]:
    """Say what is on the device.

    Args:
        settings: what is asked of this host.
        disk: the disk to look at.
        booted: the OSD has been up. An OSD that has not cannot hold data, so whatever
            of it is on the disk is unfinished work.
    """
    if not disk.path.exists():
        return "absent", ""
    if not disk.path.is_block_device():
        return "foreign", "no block device"
    owner = _group_on(disk)
    if owner == group(settings, disk):
        tags = _tags(settings, disk)
        if not tags:
            return "unfinished", ""
        if tags.get("ceph.osd_fsid") != settings.osd_uuid(disk):
            return "foreign", f"another OSD ({tags.get('ceph.osd_fsid')})"
        return ("ready" if booted else "unfinished"), ""
    if owner is not None:
        return "foreign", f"LVM volume group {owner or 'of no name'}"
    found = _signatures(disk)
    return ("foreign", found) if found else ("empty", "")


def _signatures(disk: Disk) -> str:
    """Return in words what is on a device: file systems, partitions, users. Empty when there is nothing."""
    told = json.loads(host.run(["wipefs", "--no-act", "--json", str(disk.path)]) or '{"signatures": []}')
    words = [f"a signature of {entry['type']}" for entry in told.get("signatures", ())]
    tree: dict[str, Any] = json.loads(
        host.run(["lsblk", "--json", "--output", "NAME,TYPE,MOUNTPOINTS", str(disk.path)])
    )
    for device in tree["blockdevices"]:
        words += [f"{child['type']} {child['name']}" for child in device.get("children", ())]
        words += [f"a file system mounted at {point}" for point in device.get("mountpoints", ()) if point]
    with disk.path.open("rb") as stream:
        # BlueStore's label has no entry in older libblkid; and whatever else begins with data is not ours to take.
        if not words and any(stream.read(2**20)):
            words.append("data of an unknown kind")
    return ", ".join(words)


def _group_on(disk: Disk) -> str | None:
    """Return the volume group on a device, empty for a physical volume without one, None for no physical volume."""
    try:
        told = host.run(["pvs", "--reportformat", "json", "-o", "vg_name", str(disk.path.resolve())])
    except CephError:
        return None
    found = json.loads(told)["report"][0]["pv"]
    return str(found[0]["vg_name"]) if found else None


def _tags(settings: Settings, disk: Disk) -> dict[str, str]:
    """Return the tags by which ceph-volume knows its volume; empty when there is no volume or it has none."""
    try:
        told = host.run(["lvs", "--reportformat", "json", "-o", "lv_tags", volume(settings, disk)])
    except CephError:
        return {}
    found = json.loads(told)["report"][0]["lv"]
    pairs = [tag.split("=", 1) for tag in found[0]["lv_tags"].split(",") if "=" in tag] if found else []
    return dict(pairs)


def clear(settings: Settings, disk: Disk, number: int | None) -> None:
    """Take back what was begun on a device and never held data.

    The monitors themselves refuse `purge-new` for an OSD that has ever been up.
    """
    if number is not None:
        _bootstrap("osd", "purge-new", f"osd.{number}", "--yes-i-really-mean-it")
        subprocess.run(["umount", str(folder(number))], capture_output=True, check=False)
        forget(number)
    opened = _tags(settings, disk).get("ceph.block_uuid")
    if opened and Path("/dev/mapper", opened).exists():
        host.run(["cryptsetup", "close", opened])
    host.run(["vgremove", "--force", "--yes", group(settings, disk)])
    host.run(["pvremove", "--force", "--yes", str(disk.path)])


def forget(number: int) -> None:
    """Remove the folder of an OSD whose disk is gone."""
    subprocess.run(["umount", str(folder(number))], capture_output=True, check=False)
    shutil.rmtree(folder(number), ignore_errors=True)


def _bootstrap(*command: str) -> str:
    return host.run(
        ["ceph", "--name", "client.bootstrap-osd", "--keyring", str(STATE / "bootstrap-osd/ceph.keyring"), *command]
    )


def make(settings: Settings, disk: Disk, key: str, allocate: Callable[[], int]) -> None:
    """Make volume and OSD; ceph-volume asks for the number and makes the keys itself."""
    del key, allocate
    host.run(["vgcreate", "--yes", group(settings, disk), str(disk.path)])
    host.run(
        [
            "lvcreate",
            "--yes",
            "--extents",
            "100%FREE",
            "--name",
            volume(settings, disk).split("/")[1],
            group(settings, disk),
        ]
    )
    command = [
        "ceph-volume",
        "lvm",
        "create",
        "--bluestore",
        "--data",
        volume(settings, disk),
        "--osd-fsid",
        settings.osd_uuid(disk),
    ]
    if settings.encryption != "off" and dm_crypt_works():
        command.append("--dmcrypt")
    host.run(command, timeout_s=900)


def prime(settings: Settings, disk: Disk, number: int, key: str) -> None:
    """Open the volume and make the OSD's folder, as at boot."""
    del key
    host.run(["ceph-volume", "lvm", "activate", "--bluestore", str(number), settings.osd_uuid(disk)], timeout_s=300)
