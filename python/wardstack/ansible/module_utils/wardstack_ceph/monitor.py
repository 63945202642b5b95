"""The monitor of this host."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import host, keys
from .changes import Changes
from .cluster import Cluster, answering, connect
from .decide import MonitorStore, decide_monitor
from .settings import STATE, CephError, Settings

FIRST_QUESTION_S = 5
"""How long the first pass waits for other monitors that accept connections but may have no quorum."""


def folder(settings: Settings) -> Path:
    """Return the monitor's folder."""
    return STATE / "mon" / f"ceph-{settings.host}"


def unit(settings: Settings) -> str:
    """Return the monitor's systemd unit."""
    return f"ceph-mon@{settings.host}.service"


def store_state(settings: Settings) -> MonitorStore:
    """Say what this host's monitor store is; epoch 0 of its map means that it was never in a quorum."""
    place = folder(settings)
    if not place.is_dir() or not any(place.iterdir()):
        return "none"
    status = host.admin_socket(f"mon.{settings.host}", "mon_status")
    if status is not None:
        fsid, epoch = status["monmap"]["fsid"], int(status["monmap"]["epoch"])
    else:
        if host.unit_states([unit(settings)])[unit(settings)][1]:
            # It is starting, and its store is locked: its socket answers soon.
            status = host.wait_for(
                f"monitor {settings.host} answers on its admin socket",
                lambda: host.admin_socket(f"mon.{settings.host}", "mon_status"),
                15,
                lambda: host.last_words(unit(settings)),
            )
            return store_state(settings)
        found = _stored_map(settings)
        if found is None:
            return "broken"
        fsid, epoch = found
    if fsid != settings.fsid:
        return "foreign"
    return "formed" if epoch > 0 else "new"


def _stored_map(settings: Settings) -> tuple[str, int] | None:
    """Return cluster and epoch of the map in a stopped monitor's store, None when it cannot be read."""
    with _scratch() as scratch:
        target = scratch / "monmap"
        try:
            host.run(
                [
                    "ceph-mon",
                    "-i",
                    settings.host,
                    "--extract-monmap",
                    str(target),
                    "--setuser",
                    "ceph",
                    "--setgroup",
                    "ceph",
                ]
            )
            told = host.run(["monmaptool", "--print", str(target)])
        except CephError:
            return None
    epoch = re.search(r"^epoch (\d+)", told, re.MULTILINE)
    fsid = re.search(r"^fsid (\S+)", told, re.MULTILINE)
    return (fsid.group(1), int(epoch.group(1))) if epoch and fsid else None


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder in memory that only Ceph's account reads; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="wardstack-ceph-", dir="/run") as name:
        place = Path(name)
        host.give_to_ceph(place, mode=0o700)
        yield place


def ensure(settings: Settings, changes: Changes, cluster: Cluster | None) -> dict[str, Any] | None:
    """Make the monitor run.

    Args:
        settings: what is asked of this host.
        changes: where changes are recorded.
        cluster: connection to a quorum of the other monitors, or of all, if there is one.

    Returns:
        None when the monitor runs (or in check mode would), else the facts that the second pass of all hosts needs.

    Raises:
        CephError: the store is not usable, or the cluster that exists does not answer.
    """
    subject = f"monitor {settings.host}"
    store = store_state(settings)
    decision = decide_monitor(
        settings.host,
        store,
        quorum=cluster is not None,
        listening=answering(settings) if cluster is None and store != "formed" else (),
        monitors=list(settings.monitors),
        peers=settings.peers,
    )
    if decision.action == "refuse":
        raise CephError(decision.reason)
    if decision.action == "ask":
        if changes.check:
            changes.add(subject, store, "running")
        return {"store": store}
    if decision.action == "wait":
        cluster = host.wait_for(f"{subject} waits for {decision.reason}", lambda: connect(5), settings.wait_s)
    if store == "none" and changes.add(subject, "absent", "made"):
        _make(settings, cluster)
    enabled, active = host.unit_states([unit(settings)])[unit(settings)]
    if not (enabled and active) and changes.add(subject, store if store != "none" else "absent", "running"):
        host.start_unit(unit(settings))
    return None


def _make(settings: Settings, cluster: Cluster | None) -> None:
    """Make the store: from the existing quorum's map and key if there is one, else for a new cluster."""
    with _scratch() as scratch:
        monmap, keyring = scratch / "monmap", scratch / "keyring"
        if cluster is not None:
            monmap.write_bytes(cluster.raw("mon getmap"))
            own = keys.read_key(Path(cluster_keyring(cluster, scratch)), "mon.")
            keys.write_private(keyring, keys.keyring("mon.", own or "", keys.MONITOR_CAPS))
        else:
            _write_first_map(settings, monmap)
            keys.write_private(keyring, first_keyring(settings))
        monmap.chmod(0o644)
        with host.making(folder(settings)) as place:
            host.run(
                [
                    "ceph-mon",
                    "--mkfs",
                    "-i",
                    settings.host,
                    "--mon-data",
                    str(place),
                    "--monmap",
                    str(monmap),
                    "--keyring",
                    str(keyring),
                    "--setuser",
                    "ceph",
                    "--setgroup",
                    "ceph",
                ]
            )


def cluster_keyring(cluster: Cluster, scratch: Path) -> str:
    """Write the monitors' shared key as the existing cluster has it and return the file."""
    target = scratch / "mon-key"
    keys.write_private(target, cluster.raw("auth get", entity="mon.").decode())
    return str(target)


def _write_first_map(settings: Settings, target: Path) -> None:
    command = ["monmaptool", "--create", "--clobber", "--fsid", settings.fsid, "--set-min-mon-release", "reef"]
    for name in settings.monitors:
        command += ["--addv", name, settings.monitor_address(name)]
    host.run([*command, str(target)])


def first_keyring(settings: Settings) -> str:
    """Return the keyring that a new cluster starts with."""
    return "".join(
        keys.keyring(entity, keys.derive(settings.seed, settings.fsid, entity), caps)
        for entity, caps in (
            ("mon.", keys.MONITOR_CAPS),
            ("client.admin", keys.ADMIN_CAPS),
            ("client.bootstrap-osd", keys.BOOTSTRAP_CAPS),
        )
    )


def wait_for_quorum(settings: Settings) -> None:
    """Wait until this host's monitor is in the quorum.

    Raises:
        CephError: it is not in time; the message says which monitors do not accept connections.
    """

    def joined() -> bool | None:
        status = host.admin_socket(f"mon.{settings.host}", "mon_status")
        return True if status is not None and status["state"] in ("leader", "peon") else None

    try:
        host.wait_for(f"monitor {settings.host} is in the quorum", joined, settings.wait_s)
    except CephError as error:
        there = answering(settings)
        gone = [name for name in settings.monitors if name not in there and name != settings.host]
        raise CephError(
            f"{error}. Monitors that accept no connection: {', '.join(gone) or 'none'}; a quorum needs "
            f"{len(settings.monitors) // 2 + 1} of {len(settings.monitors)}. {host.last_words(unit(settings))}"
        ) from None
