"""What to do with a monitor's store or an OSD's disk: facts in, decision out, nothing touched.

Everything that could destroy data is decided here, so that it can be read and tested in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MonitorStore = Literal["none", "new", "formed", "foreign", "broken"]
"""``new``: made, but its monitor was never part of a quorum; ``formed``: it was."""

MonitorAction = Literal["start", "join", "create", "wait", "ask", "refuse"]

DiskContent = Literal["absent", "empty", "unfinished", "ready", "foreign"]
"""``unfinished`` and ``ready`` are this very OSD's; whatever else is on a disk is ``foreign``."""

DiskAction = Literal["start", "create", "rebuild", "replace", "refuse"]


@dataclass(frozen=True)
class Decision:
    """What to do, and for a refusal why and what a person can do."""

    action: str
    reason: str = ""


def decide_monitor(
    host: str,
    store: MonitorStore,
    *,
    quorum: bool,
    listening: Sequence[str],
    monitors: Sequence[str],
    peers: Mapping[str, Mapping[str, Any]] | None,
) -> Decision:
    """Decide how this host's monitor comes to run.

    A second cluster beside an existing one would be the worst outcome: its
    monitors would answer, and nothing would be in it. A store is therefore made
    from nothing only when every monitor's host took part in this run and none of
    them has ever been in a quorum.

    Args:
        host: name of this host and of its monitor.
        store: this host's own store.
        quorum: the other monitors answered as a quorum.
        listening: other monitors that accept connections.
        monitors: names of all monitors.
        peers: what each host found in the first pass; None in the first pass.

    Returns:
        ``start`` (the store is there), ``join`` (make a store for the existing
        quorum), ``create`` (make a store for a new cluster), ``wait`` (a quorum has
        to come first), ``ask`` (only the second pass can decide) or ``refuse``.
    """
    if store == "foreign":
        return Decision("refuse", f"monitor {host} belongs to another cluster; nothing was changed")
    if store == "broken":
        return Decision(
            "refuse",
            f"the store of monitor {host} cannot be read; if the other monitors have a quorum, move its folder away "
            "and run again: it is then made anew from theirs",
        )
    if store == "formed":
        return Decision("start")
    if quorum:
        return Decision("start" if store == "new" else "join")
    if peers is None:
        return Decision("ask")
    unknown = [name for name in monitors if name not in peers and name != host]
    if unknown:
        return Decision(
            "refuse",
            f"no quorum answers, and {', '.join(unknown)} took no part in this run, so nobody can say whether a "
            "cluster exists already; run again when all monitors' hosts can be reached",
        )
    if any(facts.get("store") == "formed" for facts in peers.values()):
        return Decision("wait", f"an existing cluster's quorum ({', '.join(listening) or 'none answers'})")
    return Decision("start" if store == "new" else "create")


def decide_disk(
    subject: str, content: DiskContent, *, known: bool, booted: bool, replace: bool, detail: str = ""
) -> Decision:
    """Decide what to do with an OSD's disk.

    Args:
        subject: OSD and disk for messages, e.g. ``h1/osd0 (/dev/sdb)``.
        content: what is on the disk.
        known: the monitors' map has an OSD with this disk's identity.
        booted: that OSD has been up at least once, so it may hold data.
        replace: the site named this disk as replaced.
        detail: what was found on the disk.

    Returns:
        ``start``, ``create`` (empty disk), ``rebuild`` (own unfinished work that never held data), ``replace`` (empty
        disk in the place of one that is gone) or ``refuse``.
    """
    if content == "absent":
        return Decision("refuse", f"{subject}: there is no such disk")
    if content == "foreign":
        return Decision(
            "refuse",
            f"{subject} holds {detail or 'something'}; a disk with content is never taken. If it is the right disk and "
            "nothing on it is needed, empty it by hand (`wipefs --all`, or remove the file) and run again",
        )
    if content == "ready":
        if known:
            return Decision("start")
        return Decision(
            "refuse",
            f"{subject} holds a complete OSD of this cluster that the monitors no longer know (purged?); nothing was "
            "changed. Empty the disk by hand to use it anew",
        )
    if content == "unfinished":
        if booted:
            return Decision("refuse", f"{subject}: unfinished, yet the monitors saw it up once; look at it by hand")
        return Decision("rebuild")
    if booted and not replace:
        return Decision(
            "refuse",
            f"{subject} is empty, but the OSD on it has held data: was the disk replaced? Then name it in "
            "`ceph_osd_replace`, and its data is copied back from the other replicas",
        )
    return Decision("replace" if booted else "create")
