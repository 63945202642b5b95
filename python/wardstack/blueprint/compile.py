"""Compile a site and its standards into the desired cloud. A pure function: no file, no clock, no chance."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from wardstack.blueprint import cloudinit
from wardstack.blueprint.model import (
    Attachment,
    Blueprint,
    FailureDomain,
    Filesystem,
    HaRule,
    Image,
    Network,
    Nic,
    Placement,
    Pool,
    PoolApplication,
    Resource,
    StorageUser,
    Vm,
    Volume,
)
from wardstack.site.model import NETWORKS, ArchiveNode, Site

POOL_VMS = "vms"
POOL_METADATA = "archive_metadata"
POOL_DATA = "archive_data"
FILESYSTEM = "archive"
IMAGE = "archive-node"
PLACEMENT = "archive"
PGS_PER_DISK = 60
"""Placement groups aimed at per storage daemon: below the 100 that Ceph advises, as images are few, large objects."""
_POOL_SHARES = {POOL_VMS: 40, POOL_METADATA: 20, POOL_DATA: 40}
"""Percent of the placement groups. Metadata is small but busy."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The golden image on the controller."""

    path: str
    sha256: str


def read_public_key(site: Site) -> str:
    """The controller's public key, which VMs get at their first boot.

    Raises:
        FileNotFoundError: the site's state directory has no key yet.
    """
    path = Path(site.state_dir) / "ssh" / "id_ed25519.pub"
    return path.read_text(encoding="utf-8").strip()


def compile_blueprint(site: Site, image: ImageInfo, public_key: str) -> Blueprint:
    """Compile everything that the cloud of the site shall hold.

    Args:
        site: a checked site.
        image: the golden image of archive nodes.
        public_key: a line of an ``authorized_keys`` file; see `read_public_key`.
    """
    resources: list[Resource] = [*_storage(site), *_networks(site)]
    if site.word("storage_archive_kind") == "cephfs":
        resources += _shared_filesystem(site)
    resources.append(Image(name=IMAGE, path=image.path, sha256=image.sha256, pool=POOL_VMS, clauses=("STD-03.5",)))
    for node in site.archive_nodes:
        resources += _archive_node(site, node, public_key)
    resources.append(
        Placement(
            name=PLACEMENT,
            vms=tuple(node.name for node in site.archive_nodes),
            domain=_domain(site.word("archive_spread")),
            # A node must come back even when too few domains are left: preferred, not forced.
            hard=False,
            clauses=("STD-05.4",),
        )
    )
    return Blueprint(site=site.name, resources=tuple(resources))


def _storage(site: Site) -> list[Resource]:
    rbd = f"profile rbd pool={POOL_VMS}"
    return [
        _pool(site, POOL_VMS, "rbd", ()),
        StorageUser(
            name="client.libvirt",
            caps={"mgr": rbd, "mon": "profile rbd", "osd": rbd},
            clauses=("STD-04.10",),
        ),
    ]


def _shared_filesystem(site: Site) -> list[Resource]:
    return [
        _pool(site, POOL_METADATA, "cephfs_metadata", ("STD-04.9",)),
        _pool(site, POOL_DATA, "cephfs_data", ("STD-04.9", "STD-06.4")),
        Filesystem(
            name=FILESYSTEM,
            metadata_pool=POOL_METADATA,
            data_pool=POOL_DATA,
            standby_count=site.number("storage_metadata_servers") - 1,
            clauses=("STD-04.3", "STD-04.9"),
        ),
        StorageUser(
            name="client.archive",
            caps={
                "mds": f"allow rw fsname={FILESYSTEM}",
                "mon": f"allow r fsname={FILESYSTEM}",
                "osd": f"allow rw tag cephfs data={FILESYSTEM}",
            },
            clauses=("STD-04.10",),
        ),
    ]


def _pool(site: Site, name: str, application: PoolApplication, clauses: tuple[str, ...]) -> Pool:
    return Pool(
        name=name,
        replicas=site.number("storage_replicas"),
        min_replicas=site.number("storage_min_replicas"),
        failure_domain=_domain(site.word("failure_domain")),
        application=application,
        pg_num=placement_groups(site, name),
        clauses=("STD-04.1", "STD-04.2", *clauses),
    )


def placement_groups(site: Site, pool: str) -> int:
    """Placement groups of a pool: a power of two by its share of the disks, from 8 to 1024."""
    disks = sum(len(host.disks) for host in site.hosts)
    wanted = disks * PGS_PER_DISK * _POOL_SHARES[pool] // (100 * site.number("storage_replicas"))
    return int(2 ** max(3, min(10, max(1, wanted).bit_length() - 1)))


def _networks(site: Site) -> list[Resource]:
    return [
        Network(
            name=network.name,
            bridge=network.bridge,
            cidr=network.cidr,
            vlan=network.vlan,
            mtu=site.number("network_mtu"),
            clauses=("STD-02.1", "STD-02.5"),
        )
        for network in site.networks.values()
    ]


def _archive_node(site: Site, node: ArchiveNode, public_key: str) -> list[Resource]:
    system, data = f"{node.name}-system", f"{node.name}-data"
    luks = site.word("storage_volume_encryption") == "luks2"
    timeout = 2 * site.number("fencing_timeout_s")
    return [
        Volume(
            name=system,
            pool=POOL_VMS,
            size_mib=1024 * site.number("archive_system_disk_gib"),
            image=IMAGE,
            encryption="luks2" if luks else "none",
            secret=f"volume_{node.name}" if luks else None,
            clauses=("STD-04.6", "STD-06.2"),
        ),
        Volume(
            name=data,
            pool=POOL_VMS,
            size_mib=1024 * site.number("archive_data_disk_gib"),
            image=None,
            # The node encrypts this disk itself, with a key that no single host has (STD-08.5).
            encryption="none",
            secret=None,
            clauses=("STD-06.2", "STD-08.5"),
        ),
        _vm(site, node, (Attachment(system, "vda"), Attachment(data, "vdb")), public_key),
        HaRule(
            name=node.name,
            vm=node.name,
            restart_attempts=site.number("vm_restart_attempts"),
            # A start may have to wait until the storage cluster has given up the fenced host's daemons,
            # a stop for a guest under load; both are well inside twice the time that fencing may take.
            start_timeout_s=timeout,
            stop_timeout_s=timeout,
            allow_migrate=True,
            clauses=("STD-03.3", "STD-05.3"),
        ),
    ]


def _vm(site: Site, node: ArchiveNode, volumes: tuple[Attachment, ...], public_key: str) -> Vm:
    mtu = site.number("network_mtu")
    # One default route: by the hospital's gateway, where devices behind routers are, else by the cluster's.
    routed = next((name for name in reversed(NETWORKS) if site.networks[name].gateway), None)
    nics: list[Nic] = []
    interfaces: list[cloudinit.Interface] = []
    for index, name in enumerate(NETWORKS):
        network = site.networks[name]
        nic = Nic(name, mac_address(site.name, node.name, name), f"{node.addresses[name]}/{network.prefix}")
        gateway = network.gateway if name == routed else None
        nics.append(nic)
        interfaces.append(cloudinit.Interface(f"eth{index}", nic.mac, nic.address, mtu, gateway))
    user_data = cloudinit.user_data(node.name, site.domain, public_key)
    network_config = cloudinit.network_config(interfaces)
    return Vm(
        name=node.name,
        cpus=site.number("archive_node_cpus"),
        memory_mib=site.number("archive_node_memory_mib"),
        cpu_model=site.word("vm_cpu_model"),
        machine=site.word("vm_machine"),
        firmware=site.word("vm_firmware"),
        volumes=volumes,
        nics=tuple(nics),
        user_data=user_data,
        network_config=network_config,
        instance_id=instance_id(site.name, node.name, user_data, network_config),
        migration_tls=site.flag("vm_migration_tls"),
        max_downtime_ms=site.number("vm_migration_max_downtime_ms"),
        clauses=("STD-03.1", "STD-03.2", "STD-03.3", "STD-03.6", "STD-06.1", "STD-06.2"),
    )


def mac_address(site: str, vm: str, network: str) -> str:
    """A MAC address that is the same on every run, in the range that QEMU uses (52:54:00)."""
    digest = hashlib.sha256(json.dumps([site, vm, network]).encode()).hexdigest()
    return ":".join(("52", "54", "00", digest[0:2], digest[2:4], digest[4:6]))


def instance_id(site: str, vm: str, user_data: str, network_config: str) -> str:
    """Identity of a first boot: cloud-init runs again when, and only when, its documents change."""
    digest = hashlib.sha256((user_data + network_config).encode()).hexdigest()
    return f"{site}-{vm}-{digest[:12]}"


def _domain(word: str) -> FailureDomain:
    domains: dict[str, FailureDomain] = {"host": "host", "rack": "rack", "switch": "switch", "power": "power"}
    return domains[word]
