"""An OSD on a plain sparse file, for hosts that have no block device to give (system containers)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import host, keys
from .decide import DiskContent
from .settings import STATE, CephError, Disk, Settings

GIB = 2**30


def folder(number: int) -> Path:
    """Return the OSD's folder."""
    return STATE / "osd" / f"ceph-{number}"


def check_encryption(settings: Settings, disk: Disk) -> None:
    """Refuse a file where the site wants encryption: dm-crypt needs a block device.

    Raises:
        CephError: encryption is required.
    """
    if settings.encryption == "required":
        raise CephError(
            f"{settings.host}/{disk.id}: storage disks have to be encrypted (STD-04.5), but a file cannot be; give a "
            "disk of kind `device`, or choose `storage_osd_encryption: auto`"
        )


def label(path: Path) -> dict[str, Any] | None:
    """Return BlueStore's label of a file or device, None when there is none."""
    done = subprocess.run(
        ["ceph-bluestore-tool", "show-label", "--dev", str(path)], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(done.stdout)[str(path)] if done.returncode == 0 else None
    except (ValueError, KeyError):
        return None
    return found if isinstance(found, dict) else None


def is_empty(path: Path) -> bool:
    """Say whether a file holds nothing: no data at all, or zeros in its first MiB."""
    with path.open("rb") as stream:
        try:
            start = os.lseek(stream.fileno(), 0, os.SEEK_DATA)
        except OSError:  # ENXIO: the whole file is a hole
            return True
        stream.seek(start)
        return not any(stream.read(2**20))


def content(settings: Settings, disk: Disk, *, booted: bool) -> tuple[DiskContent, str]:
    """Say what is in the file.

    Args:
        settings: what is asked of this host.
        disk: the disk to look at.
        booted: unused here; a device cannot be judged without it.
    """
    del booted
    if not disk.path.exists():
        return "empty", ""
    if not disk.path.is_file():
        return "foreign", "no regular file"
    if is_empty(disk.path):
        return "empty", ""
    found = label(disk.path)
    if found is None:
        return "foreign", "data that is no OSD"
    if found.get("osd_uuid") != settings.osd_uuid(disk):
        return "foreign", f"another OSD ({found.get('osd_uuid')} of cluster {found.get('ceph_fsid', 'unknown')})"
    return ("ready" if found.get("mkfs_done") == "yes" and found.get("ready") else "unfinished"), ""


def clear(settings: Settings, disk: Disk, number: int | None) -> None:
    """Empty a file that this role began to fill and that never held data."""
    del settings, number
    os.truncate(disk.path, 0)


def forget(number: int) -> None:
    """Remove the folder of an OSD whose disk is gone."""
    shutil.rmtree(folder(number), ignore_errors=True)


def make(settings: Settings, disk: Disk, key: str, allocate: Callable[[], int]) -> None:
    """Make the file and BlueStore in it."""
    number = allocate()
    disk.path.parent.mkdir(parents=True, exist_ok=True)
    with disk.path.open("ab") as stream:
        stream.truncate(disk.size_gib * GIB)
    host.give_to_ceph(disk.path, mode=0o600)
    forget(number)  # a leftover of an OSD that had this number and was purged
    with host.making(folder(number)) as place:
        _link(disk, place)
        keys.write_private(place / "keyring", keys.keyring(f"osd.{number}", key))
        host.run(
            [
                "ceph-osd",
                "--mkfs",
                "-i",
                str(number),
                "--osd-data",
                str(place),
                "--osd-uuid",
                settings.osd_uuid(disk),
                "--setuser",
                "ceph",
                "--setgroup",
                "ceph",
            ]
        )


def prime(settings: Settings, disk: Disk, number: int, key: str) -> None:
    """Make the OSD's folder again from the label, where it is missing (a new system disk beside an old data disk)."""
    del settings
    place = folder(number)
    if place.joinpath("block").exists() and place.joinpath("keyring").exists() and place.joinpath("fsid").exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    host.give_to_ceph(disk.path, mode=0o600)
    with host.making(place) as half:
        host.run(
            ["ceph-bluestore-tool", "prime-osd-dir", "--dev", str(disk.path), "--path", str(half), "--no-mon-config"]
        )
        half.joinpath("block").unlink(missing_ok=True)
        _link(disk, half)
        keys.write_private(half / "keyring", keys.keyring(f"osd.{number}", key))
        for entry in half.iterdir():
            host.give_to_ceph(entry)


def _link(disk: Disk, place: Path) -> None:
    place.joinpath("block").symlink_to(disk.path)
    host.give_to_ceph(place / "block")
