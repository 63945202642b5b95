"""The OSDs of this host: one for each disk, with an identity that a broken run finds again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from . import host, keys, osd_device, osd_file
from .changes import Changes
from .cluster import Cluster
from .decide import DiskContent, decide_disk
from .settings import STATE, CephError, Disk, Settings


@dataclass(frozen=True)
class Known:
    """What the monitors know of an OSD.

    Attributes:
        booted: it has been up at least once, so it may hold data.
    """

    id: int
    booted: bool
    up: bool


def known_osds(cluster: Cluster) -> dict[str, Known]:
    """Return the monitors' OSDs by their UUID."""
    return {
        osd["uuid"]: Known(int(osd["osd"]), "new" not in osd["state"], bool(osd["up"]))
        for osd in cluster.ask("osd dump")["osds"]
    }


def unit(number: int) -> str:
    """Return an OSD's systemd unit."""
    return f"ceph-osd@{number}.service"


def ensure_all(settings: Settings, changes: Changes, cluster: Cluster | None) -> list[int]:
    """Make an OSD of every disk, then wait until all are up.

    Every disk is looked at before the first is touched, so a refused disk stops the run with nothing half done.

    Returns:
        Numbers of this host's OSDs (in check mode of those that exist).

    Raises:
        CephError: a disk is refused, or an OSD does not come up.
    """
    known = known_osds(cluster) if cluster else {}
    plans = [(disk, _decide(settings, disk, known, reachable=cluster is not None)) for disk in settings.disks]
    for disk, action in plans:
        _carry_out(settings, changes, cluster, disk, action, known.get(settings.osd_uuid(disk)))
    if changes.check or cluster is None:
        return sorted(osd.id for disk in settings.disks if (osd := known.get(settings.osd_uuid(disk))))
    known = known_osds(cluster)
    numbers = sorted(known[settings.osd_uuid(disk)].id for disk in settings.disks)
    for number in numbers:
        _wait_until_up(settings, cluster, number)
    _ensure_location(settings, changes, cluster)
    return numbers


def refuse_foreign_disks(settings: Settings) -> None:
    """Refuse disks that are missing or somebody else's, before the first daemon is made.

    What needs the monitors' word (an own disk that is unfinished, or empty and yet known) is judged later.

    Raises:
        CephError: a disk is refused.
    """
    for disk in settings.disks:
        kind = _kind(disk)
        kind.check_encryption(settings, disk)
        if _has_folder(settings, disk):
            continue
        content, detail = kind.content(settings, disk, booted=False)
        decision = decide_disk(_name(settings, disk), content, known=True, booted=False, replace=False, detail=detail)
        if decision.action == "refuse":
            raise CephError(decision.reason)


def _has_folder(settings: Settings, disk: Disk) -> bool:
    """Say whether a folder of an OSD on this host bears the disk's identity: then it was ours in an earlier run."""
    places = (STATE / "osd").glob("ceph-*/fsid")
    return any(place.read_text().strip() == settings.osd_uuid(disk) for place in places)


def _name(settings: Settings, disk: Disk) -> str:
    return f"{settings.host}/{disk.id} ({disk.path})"


def _kind(disk: Disk) -> Any:
    """Return the module that knows a kind of disk; both have the same functions."""
    return osd_device if disk.kind == "device" else osd_file


def _runs(settings: Settings, disk: Disk, osd: Known | None) -> bool:
    if osd is None:
        return False
    status = host.admin_socket(f"osd.{osd.id}", "status")
    return status is not None and status.get("osd_fsid") == settings.osd_uuid(disk)


def _decide(settings: Settings, disk: Disk, known: dict[str, Known], *, reachable: bool) -> str:
    """Return the action for a disk; ``unknown`` in check mode where no monitor can be asked about its OSD."""
    osd = known.get(settings.osd_uuid(disk))
    if _runs(settings, disk, osd):
        return "start"
    content: DiskContent
    content, detail = _kind(disk).content(settings, disk, booted=bool(osd and osd.booted))
    if not reachable and content in ("ready", "unfinished"):
        return "unknown"
    decision = decide_disk(
        _name(settings, disk),
        content,
        known=osd is not None,
        booted=bool(osd and osd.booted),
        replace=disk.id in settings.replace_disks,
        detail=detail,
    )
    if decision.action == "refuse":
        raise CephError(decision.reason)
    return decision.action


def _carry_out(
    settings: Settings, changes: Changes, cluster: Cluster | None, disk: Disk, action: str, osd: Known | None
) -> None:
    if action == "unknown":
        return
    subject = f"OSD on {disk.id} ({disk.path})"
    kind = _kind(disk)
    if action == "start":
        assert osd is not None  # a disk is only ready when its OSD is known
        enabled, active = host.unit_states([unit(osd.id)])[unit(osd.id)]
        if not (enabled and active and kind.folder(osd.id).joinpath("block").exists()) and changes.add(
            subject, "stopped", "running"
        ):
            kind.prime(settings, disk, osd.id, osd_key(settings, disk))
            host.start_unit(unit(osd.id))
        return
    words = {
        "create": ("empty disk", "running"),
        "rebuild": ("half made, never held data", "running"),
        "replace": (f"gone with its disk (osd.{osd.id})" if osd else "gone", "running on the new disk"),
    }
    if not changes.add(subject, *words[action]):
        return
    assert cluster is not None  # only check mode comes without
    if action == "replace" and osd is not None:
        host.run(["systemctl", "disable", "--now", unit(osd.id)])
        kind.forget(osd.id)
        cluster.raw("osd down", ids=[str(osd.id)])
        cluster.raw("osd purge-actual", id=osd.id, yes_i_really_mean_it=True)
    if action == "rebuild":
        kind.clear(settings, disk, osd.id if osd else None)
    kind.make(settings, disk, osd_key(settings, disk), lambda: allocate(settings, cluster, disk))
    number = known_osds(cluster)[settings.osd_uuid(disk)].id
    host.start_unit(unit(number))


def osd_key(settings: Settings, disk: Disk) -> str:
    """Return the key of the OSD on a disk."""
    return keys.derive(settings.seed, settings.fsid, f"osd/{settings.osd_uuid(disk)}")


def allocate(settings: Settings, cluster: Cluster, disk: Disk) -> int:
    """Get the OSD's number from the monitors; asking again for the same disk gives the same number."""
    answer = cluster.ask(
        "osd new",
        data=json.dumps({"cephx_secret": osd_key(settings, disk)}).encode(),
        uuid=settings.osd_uuid(disk),
    )
    return int(answer["osdid"])


def _wait_until_up(settings: Settings, cluster: Cluster, number: int) -> None:
    host.wait_for(
        f"osd.{number} is up",
        lambda: True if any(osd.id == number and osd.up for osd in known_osds(cluster).values()) else None,
        settings.wait_s,
        lambda: host.last_words(unit(number)),
    )


def _ensure_location(settings: Settings, changes: Changes, cluster: Cluster) -> None:
    """Put the host's bucket where the site says it stands; OSDs find their host by themselves."""
    nodes = cluster.ask("osd tree")["nodes"]
    own = next((node for node in nodes if node["type"] == "host" and node["name"] == settings.host), None)
    if own is None:
        return
    parents = {child: node for node in nodes for child in node.get("children", ())}
    path: list[tuple[str, str]] = []
    node = parents.get(own["id"])
    while node is not None:
        path.insert(0, (node["type"], node["name"]))
        node = parents.get(node["id"])
    wanted = list(settings.location[:-1])
    words = [" ".join(f"{kind}={name}" for kind, name in place) for place in (path, wanted)]
    if path != wanted and changes.add(f"place of {settings.host}", *words):
        cluster.raw("osd crush move", name=settings.host, args=[f"{kind}={name}" for kind, name in wanted])
