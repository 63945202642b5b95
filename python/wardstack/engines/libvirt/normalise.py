"""From what hosts, Ceph and Pacemaker say to the attributes that a blueprint uses."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wardstack.engines.libvirt import ha, names
from wardstack.engines.libvirt.config import CRUSH_TYPES
from wardstack.engines.libvirt.definition import read_note

MIB = 1 << 20
LUKS_HEADER_MIB = 16
"""As in ``agent/luks.py``."""

_DOMAINS = {crush: domain for domain, crush in CRUSH_TYPES.items()}


@dataclass(slots=True)
class Part:
    """Some of a state's resources, and which of them are ours."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    managed: set[str] = field(default_factory=set)

    def add(self, identity: str, attributes: dict[str, Any], *, ours: bool) -> None:
        """Add one resource."""
        self.resources[identity] = attributes
        if ours:
            self.managed.add(identity)


def collapse(per_host: Mapping[str, Any]) -> Any:
    """One value when all hosts agree, else host → value, which no desired value equals."""
    values = list(per_host.values())
    if values and all(value == values[0] for value in values):
        return values[0]
    return dict(sorted(per_host.items()))


def storage(ceph: Mapping[str, Any] | None, virt: Mapping[str, Mapping[str, Any]]) -> Part:
    """Pools, file systems and storage users."""
    part = Part()
    if ceph is None:
        return part
    registry = ceph["registry"]
    rules = {rule["rule_id"]: _rule_domain(rule) for rule in ceph["rules"]}
    pool_names = {pool["pool"]: pool["pool_name"] for pool in ceph["pools"]}
    for pool in ceph["pools"]:
        identity = f"pool/{pool['pool_name']}"
        part.add(
            identity,
            {
                "replicas": pool["size"],
                "min_replicas": pool["min_size"],
                "failure_domain": rules.get(pool["crush_rule"], "unknown"),
                "application": _application(pool, registry.get(identity)),
                "pg_num": pool.get("pg_num_target", pool["pg_num"]),
            },
            ours=identity in registry,
        )
    for filesystem in ceph["filesystems"]:
        mdsmap = filesystem["mdsmap"]
        identity = f"filesystem/{mdsmap['fs_name']}"
        data = [pool_names.get(number, str(number)) for number in mdsmap["data_pools"]]
        part.add(
            identity,
            {
                "metadata_pool": pool_names.get(mdsmap["metadata_pool"], str(mdsmap["metadata_pool"])),
                "data_pool": data[0] if len(data) == 1 else data,
                "standby_count": mdsmap["standby_count_wanted"],
            },
            ours=identity in registry,
        )
    for user in ceph["users"]:
        identity = f"storage_user/{user['entity']}"
        attributes: dict[str, Any] = {"caps": dict(sorted(user["caps"].items()))}
        if user["entity"] == names.VM_USER:
            attributes["key_in_libvirt"] = _key_in_libvirt(user, virt)
        part.add(identity, attributes, ours=identity in registry)
    return part


def _rule_domain(rule: Mapping[str, Any]) -> str:
    """Failure domain that a CRUSH rule spreads over."""
    crush = next((step["type"] for step in rule["steps"] if step["op"].startswith("choose")), "unknown")
    return _DOMAINS.get(crush, crush)


def _application(pool: Mapping[str, Any], remembered: Mapping[str, Any] | None) -> str:
    """A CephFS pool knows what it is for only once its file system exists; before that our note tells."""
    tags = pool.get("application_metadata", {})
    if "rbd" in tags:
        return "rbd"
    if "metadata" in tags.get("cephfs", {}):
        return "cephfs_metadata"
    if "data" in tags.get("cephfs", {}):
        return "cephfs_data"
    return str((remembered or {}).get("application") or next(iter(tags), "none"))


def _key_in_libvirt(user: Mapping[str, Any], virt: Mapping[str, Mapping[str, Any]]) -> Any:
    """True when every host's libvirt holds this very key."""
    return collapse({host: user["key_digest"] in report["secrets"].values() for host, report in virt.items()})


def networks(virt: Mapping[str, Mapping[str, Any]]) -> Part:
    """Networks, which must be the same, running and started with the host, on every host."""
    part = Part()
    known = sorted({name for report in virt.values() for name in report["networks"]})
    for name in known:
        notes = {h: read_note(r["networks"][name]["xml"]) for h, r in virt.items() if name in r["networks"]}
        ours = [found for found in notes.values() if found]
        attributes: dict[str, Any] = dict(ours[0][0]) if ours else {}
        attributes["definition"] = collapse({h: (notes.get(h) or ({}, None))[1] for h in virt})
        attributes["running"] = collapse(
            {
                h: all(r["networks"].get(name, {}).get(k, False) for k in ("active", "autostart"))
                for h, r in virt.items()
            }
        )
        part.add(f"network/{name}", attributes, ours=bool(ours))
    return part


def images(rbd: Mapping[str, Mapping[str, Any]]) -> Part:
    """Golden images; of several with one name the one selected last counts."""
    part = Part()
    newest: dict[str, float] = {}
    for pool, found in sorted(rbd.items()):
        for entry in found.values():
            attributes = entry["attributes"] or {}
            name = str(attributes.get("image"))
            if "sha256" in attributes and attributes["selected"] > newest.get(name, 0.0):
                newest[name] = attributes["selected"]
                part.add(f"image/{name}", {"sha256": attributes["sha256"], "pool": pool}, ours=True)
    return part


def volumes(site: str, rbd: Mapping[str, Mapping[str, Any]], virt: Mapping[str, Mapping[str, Any]]) -> Part:
    """Volumes, by their real size, and whether every host can open them."""
    part = Part()
    for pool, found in sorted(rbd.items()):
        for name, entry in sorted(found.items()):
            attributes = dict(entry["attributes"] or {})
            if name.endswith(".building") or "size_mib" not in attributes:
                continue
            header = LUKS_HEADER_MIB if attributes["encryption"] == "luks2" else 0
            attributes["size_mib"] = entry["size"] // MIB - header
            attributes["pool"] = pool
            if attributes["encryption"] == "luks2":
                secret = names.volume_secret(site, name)
                # Sealed but not loaded (libvirt forgets ephemeral secrets when it restarts) is not good enough.
                attributes["sealed"] = collapse(
                    {
                        host: report["sealed"].get(secret, {}).get("digest") if secret in report["secrets"] else None
                        for host, report in virt.items()
                    }
                )
            part.add(f"volume/{name}", attributes, ours=True)
    return part


def vms(virt: Mapping[str, Mapping[str, Any]], rbd: Mapping[str, Mapping[str, Any]]) -> Part:
    """VMs: the file on every host, the seed, and the definition that a running one was started with."""
    part = Part()
    seeds = {
        name.removesuffix("-seed"): (entry["attributes"] or {}).get("seed")
        for found in rbd.values()
        for name, entry in found.items()
        if name.endswith("-seed")
    }
    running: dict[str, str | None] = {}
    for report in virt.values():
        for name, xml in report["running"].items():
            found = read_note(xml)
            running[name] = found[1] if found else "foreign"
    for name in sorted({vm for report in virt.values() for vm in report["files"]} | set(running)):
        files = {host: report["files"].get(name) for host, report in virt.items()}
        noted = [note for text in files.values() if text and (note := _safe_note(text))]
        attributes: dict[str, Any] = dict(noted[0][0]) if noted else {}
        attributes["file"] = collapse({h: file_digest(text) if text is not None else None for h, text in files.items()})
        attributes["seed"] = seeds.get(name)
        attributes["running"] = running.get(name)
        part.add(f"vm/{name}", attributes, ours=bool(noted))
    return part


def _safe_note(text: str) -> tuple[dict[str, Any], str] | None:
    """Our note in a file, None when the file is damaged (it then differs, and is written again)."""
    try:
        return read_note(text)
    except (ET.ParseError, ValueError):
        return None


def file_digest(text: str) -> str:
    """Digest of a VM's file."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cluster(cib: ET.Element, where: Mapping[str, str], domains: Mapping[str, Mapping[str, str]]) -> Part:
    """HA rules and placements."""
    part = Part()
    for vm, attributes in ha.read_primitives(cib).items():
        part.add(f"ha/{vm}", {**attributes, "running": vm in where}, ours=True)
    for name, attributes in ha.read_placements(cib).items():
        if ha.missing_domains(cib, domains, [attributes["domain"]]):
            attributes["complete"] = False
        part.add(f"placement/{name}", attributes, ours=True)
    return part
