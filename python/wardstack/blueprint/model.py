"""The desired cloud as plain typed data: engine-neutral, immutable, the same bytes for the same input.

A resource names the others that it needs by their name, never by object, so that a blueprint, a plan and an
observed state can be compared and written down without following pointers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, NamedTuple, TypeVar

PoolApplication = Literal["rbd", "cephfs_data", "cephfs_metadata"]
VolumeEncryption = Literal["luks2", "none"]
FailureDomain = Literal["host", "rack", "switch", "power"]

JSON_FORMAT = 1
"""Version of the canonical JSON; raised when a field changes its meaning."""


class Attachment(NamedTuple):
    """A volume as a VM sees it."""

    volume: str
    target: str
    """Device name in the guest, e.g. ``vda``."""


class Nic(NamedTuple):
    """A network interface of a VM; its order in the VM is the guest's ``eth0``, ``eth1`` and so on."""

    network: str
    mac: str
    address: str
    """Address with prefix length, e.g. ``10.78.0.101/24``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What every resource has: a name unique in its kind, and the clauses that it serves."""

    KIND: ClassVar[str] = ""
    name: str
    clauses: tuple[str, ...]

    @property
    def id(self) -> str:
        """``kind/name``, unique in a blueprint."""
        return f"{self.KIND}/{self.name}"

    def attributes(self) -> dict[str, object]:
        """All fields but name and clauses, as plain JSON data: what an engine compares."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name not in ("name", "clauses")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Resource):
    """A replicated storage pool."""

    KIND: ClassVar[str] = "pool"
    replicas: int
    min_replicas: int
    failure_domain: FailureDomain
    application: PoolApplication
    pg_num: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem(Resource):
    """A shared file system over two pools."""

    KIND: ClassVar[str] = "filesystem"
    metadata_pool: str
    data_pool: str
    standby_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageUser(Resource):
    """A storage identity (``client.libvirt``) and its capabilities per daemon type."""

    KIND: ClassVar[str] = "storage_user"
    caps: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Resource):
    """A network that VMs attach to through a bridge on every host."""

    KIND: ClassVar[str] = "network"
    bridge: str
    cidr: str
    vlan: int | None
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Resource):
    """A golden image: a raw or qcow2 file on the controller, known by its digest, and the pool that it goes to."""

    KIND: ClassVar[str] = "image"
    path: str
    sha256: str
    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Resource):
    """A block volume. ``size_mib`` is what the guest sees; ``secret`` names the site secret of its passphrase."""

    KIND: ClassVar[str] = "volume"
    pool: str
    size_mib: int
    image: str | None
    encryption: VolumeEncryption
    secret: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm(Resource):
    """A virtual machine. The three cloud-init documents are complete texts (NoCloud); they hold no secret."""

    KIND: ClassVar[str] = "vm"
    cpus: int
    memory_mib: int
    cpu_model: str
    machine: str
    firmware: str
    volumes: tuple[Attachment, ...]
    nics: tuple[Nic, ...]
    user_data: str
    network_config: str
    instance_id: str
    migration_tls: bool
    max_downtime_ms: int

    @property
    def meta_data(self) -> str:
        """NoCloud ``meta-data`` document."""
        return f"instance-id: {self.instance_id}\nlocal-hostname: {self.name}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement(Resource):
    """VMs that should (soft) or must (hard) run in different failure domains."""

    KIND: ClassVar[str] = "placement"
    vms: tuple[str, ...]
    domain: FailureDomain
    hard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HaRule(Resource):
    """How a VM is restarted after a failure; its name is the VM's."""

    KIND: ClassVar[str] = "ha"
    vm: str
    restart_attempts: int
    start_timeout_s: int
    stop_timeout_s: int
    allow_migrate: bool


KINDS: tuple[type[Resource], ...] = (
    Pool, Filesystem, StorageUser, Network, Image, Volume, Vm, Placement, HaRule,
)  # fmt: skip
"""Every kind in the order in which an engine creates them; the reverse is the order of deletion."""

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All resources of a site's cloud, ordered by kind (as in `KINDS`), then by name.

    Raises:
        ValueError: two resources have the same id.
    """

    site: str
    resources: tuple[Resource, ...]

    def __post_init__(self) -> None:
        rank = {kind: index for index, kind in enumerate(KINDS)}
        ordered = tuple(sorted(self.resources, key=lambda r: (rank[type(r)], r.name)))
        if len({r.id for r in ordered}) != len(ordered):
            raise ValueError("two resources of a blueprint have the same id")
        object.__setattr__(self, "resources", ordered)

    def by_id(self) -> dict[str, Resource]:
        """Resources by id, in blueprint order."""
        return {r.id: r for r in self.resources}

    def of(self, kind: type[R]) -> tuple[R, ...]:
        """The resources of one kind, by name."""
        return tuple(r for r in self.resources if isinstance(r, kind))

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, UTF-8, ending in a newline."""
        document = {
            "format": JSON_FORMAT,
            "site": self.site,
            "resources": [
                {"id": r.id, "clauses": list(r.clauses), "attributes": r.attributes()} for r in self.resources
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _plain(value: object) -> object:
    """Turn named tuples, tuples and mappings into what JSON knows."""
    if isinstance(value, Attachment | Nic):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in sorted(value.items())}
    return value
