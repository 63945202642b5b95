"""What is asked of a host, and where Ceph keeps things on it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATE = Path("/var/lib/ceph")
RUN = Path("/run/ceph")
CONFIGURATION = Path("/etc/ceph/ceph.conf")
ADMIN_KEYRING = Path("/etc/ceph/ceph.client.admin.keyring")
BOOTSTRAP_KEYRING = STATE / "bootstrap-osd/ceph.keyring"
MONITOR_PORT = 3300
"""Port of the monitors' second protocol (msgr2), the only one that can encrypt."""


class CephError(Exception):
    """Something cannot be done; the message says what, where, and what a person can do."""


@dataclass(frozen=True)
class Disk:
    """A disk that one OSD fills.

    Attributes:
        id: name of the disk, unique on the host and kept for ever: the OSD's identity is derived from it.
        kind: ``file`` (a sparse file, for hosts without block devices) or ``device``.
        path: the file or the block device.
        size_gib: size of a file in GiB; a device is used whole.
    """

    id: str
    kind: str
    path: Path
    size_gib: int


@dataclass(frozen=True)
class Settings:
    """The arguments of one run on one host.

    Attributes:
        host: name of the host; its monitor, manager and metadata server bear it too.
        seed: secret that the first keys of the cluster are derived from.
        monitors: name to address of every monitor.
        encryption: ``required``, ``auto`` or ``off``.
        location: CRUSH location of the host as pairs of type and bucket, from the root downwards.
        config: section to option to value, kept in the monitors' configuration database.
        leader: this host speaks for all (configuration database, waiting for the manager).
        peers: what the other monitors' hosts found in the first pass; None in the first pass.
        wait_s: how long to wait for a daemon, in seconds.
    """

    host: str
    fsid: str
    seed: str
    monitors: dict[str, str]
    daemons: tuple[str, ...]
    disks: tuple[Disk, ...]
    replace_disks: tuple[str, ...]
    encryption: str
    location: tuple[tuple[str, str], ...]
    config: dict[str, dict[str, str]]
    manager_stub: str
    manager_stub_versions: tuple[str, ...]
    leader: bool
    peers: dict[str, dict[str, Any]] | None
    wait_s: int

    def osd_uuid(self, disk: Disk) -> str:
        """Return the identity of the OSD on a disk: the same in every run, so that a broken run is taken up again."""
        return str(uuid.uuid5(uuid.UUID(self.fsid), f"{self.host}/{disk.id}"))

    def monitor_address(self, name: str) -> str:
        """Return a monitor's address in Ceph's notation, second protocol only."""
        return f"[v2:{self.monitors[name]}:{MONITOR_PORT}]"


def read_settings(params: Mapping[str, Any]) -> Settings:
    """Check the module's parameters.

    Raises:
        CephError: two disks share an id or a path, or this host is to be a monitor without an address.
    """
    disks = tuple(Disk(d["id"], d["kind"], Path(d["path"]), d["size_gib"] or 0) for d in params["disks"])
    for what, values in (("id", [d.id for d in disks]), ("path", [str(d.path) for d in disks])):
        double = sorted({value for value in values if values.count(value) > 1})
        if double:
            raise CephError(f"two disks of {params['host']} have the same {what}: {', '.join(double)}")
    if "mon" in params["daemons"] and params["host"] not in params["monitors"]:
        raise CephError(f"{params['host']} is to be a monitor but has no address in `monitors`")
    try:
        uuid.UUID(params["fsid"])
    except ValueError:
        raise CephError(f"fsid {params['fsid']!r} is not a UUID") from None
    location = [("root", "default"), *params["location"].items(), ("host", params["host"])]
    return Settings(
        host=params["host"],
        fsid=params["fsid"],
        seed=params["seed"],
        monitors=dict(params["monitors"]),
        daemons=tuple(params["daemons"]),
        disks=disks,
        replace_disks=tuple(params["replace_disks"]),
        encryption=params["encryption"],
        location=tuple(location),
        config={who: {k: str(v) for k, v in options.items()} for who, options in params["config"].items()},
        manager_stub=params["manager_stub"] or "",
        manager_stub_versions=tuple(params["manager_stub_versions"]),
        leader=params["leader"],
        peers=params["peers"] if params["create"] else None,
        wait_s=params["wait_s"],
    )
