"""Daemons that need nothing but a key: manager and metadata server; and the keys of this host itself."""

from __future__ import annotations

from pathlib import Path

from . import host, keys
from .changes import Changes
from .cluster import Cluster
from .settings import ADMIN_KEYRING, BOOTSTRAP_KEYRING, STATE, Settings

CAPS = {
    "mgr": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "mds": {"mon": "allow profile mds", "mgr": "allow profile mds", "mds": "allow *", "osd": "allow rw tag cephfs *=*"},
}
"""As Ceph's manual deployment gives them; the metadata server reaches only pools of a file system."""

WORDS = {"mgr": "manager", "mds": "metadata server"}


def ensure_host_keys(settings: Settings, changes: Changes) -> None:
    """Write the administrator's and the OSD bootstrap key where they are missing; a key that is there is kept."""
    for path, entity, caps, owner in (
        (ADMIN_KEYRING, "client.admin", keys.ADMIN_CAPS, "root"),
        (BOOTSTRAP_KEYRING, "client.bootstrap-osd", keys.BOOTSTRAP_CAPS, "ceph"),
    ):
        if keys.read_key(path, entity) is None and changes.add(f"key of {entity}", "absent", "present"):
            key = keys.derive(settings.seed, settings.fsid, entity)
            keys.write_private(path, keys.keyring(entity, key, caps), owner)


def ensure(settings: Settings, changes: Changes, cluster: Cluster | None, daemon: str) -> None:
    """Make the manager or the metadata server of this host run.

    Args:
        settings: what is asked of this host.
        changes: where changes are recorded.
        cluster: None only in check mode, where there is no cluster yet.
        daemon: ``mgr`` or ``mds``.
    """
    subject = f"{WORDS[daemon]} {settings.host}"
    entity = f"{daemon}.{settings.host}"
    unit = f"ceph-{daemon}@{settings.host}.service"
    folder = STATE / daemon / f"ceph-{settings.host}"
    path = folder / "keyring"
    held = keys.read_key(path, entity)
    wanted = cluster.key_of(entity) if cluster else None
    fresh = held is None or held != wanted
    if fresh and changes.add(subject, "absent" if held is None else "its key is not the cluster's", "made"):
        assert cluster is not None  # only check mode comes without, and never gets here
        _write_key(cluster, entity, daemon, folder, path)
    enabled, active = host.unit_states([unit])[unit]
    if fresh and active and changes.add(subject, "running with an old key", "restarted"):
        host.run(["systemctl", "restart", unit])
    if not (enabled and active) and changes.add(subject, "stopped" if path.exists() else "absent", "running"):
        host.start_unit(unit)


def _write_key(cluster: Cluster, entity: str, daemon: str, folder: Path, path: Path) -> None:
    caps = [word for item in CAPS[daemon].items() for word in item]
    key = str(cluster.ask("auth get-or-create", entity=entity, caps=caps)[0]["key"])
    if folder.is_dir():
        keys.write_private(path, keys.keyring(entity, key))
    else:
        with host.making(folder) as place:
            keys.write_private(place / "keyring", keys.keyring(entity, key))
