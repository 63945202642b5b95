"""Blueprints for tests: an archive of some nodes, with knobs."""

from __future__ import annotations

from wardstack.blueprint.model import (
    Attachment,
    Blueprint,
    Filesystem,
    HaRule,
    Image,
    Network,
    Nic,
    Placement,
    Pool,
    Resource,
    StorageUser,
    Vm,
    Volume,
)

C = ("STD-04.1",)


def blueprint(
    nodes: int = 3, replicas: int = 3, memory_mib: int = 1280, data_mib: int = 2048, *, user: str = "client.vm"
) -> Blueprint:
    """An archive of `nodes` VMs."""
    names = [f"a{i}" for i in range(1, nodes + 1)]
    pools = (("vms", "rbd"), ("meta", "cephfs_metadata"), ("data", "cephfs_data"))
    resources: list[Resource] = [
        Pool(
            name=name,
            replicas=replicas,
            min_replicas=2,
            failure_domain="host",
            application=application,  # type: ignore[arg-type]
            pg_num=8,
            clauses=C,
        )
        for name, application in pools
    ]
    resources += [
        Filesystem(name="archive", metadata_pool="meta", data_pool="data", standby_count=1, clauses=C),
        StorageUser(name=user, caps={"mon": "profile rbd"}, clauses=C),
        Network(name="cluster", bridge="br-cluster", cidr="10.78.0.0/24", vlan=None, mtu=1500, clauses=C),
        Image(name="archive-node", path="/nowhere.qcow2", sha256="ab" * 32, pool="vms", clauses=C),
    ]
    for index, name in enumerate(names, start=1):
        system, data = f"{name}-system", f"{name}-data"
        resources += [
            Volume(
                name=system,
                pool="vms",
                size_mib=3072,
                image="archive-node",
                encryption="luks2",
                secret=f"volume_{name}",
                clauses=C,
            ),
            Volume(name=data, pool="vms", size_mib=data_mib, image=None, encryption="none", secret=None, clauses=C),
            Vm(
                name=name,
                cpus=2,
                memory_mib=memory_mib,
                cpu_model="maximum",
                machine="q35",
                firmware="bios",
                volumes=(Attachment(system, "vda"), Attachment(data, "vdb")),
                nics=(Nic("cluster", f"52:54:00:00:00:0{index}", f"10.78.0.10{index}/24"),),
                user_data="#cloud-config\n",
                network_config="version: 2\n",
                instance_id=f"t-{name}",
                migration_tls=True,
                max_downtime_ms=500,
                clauses=C,
            ),
            HaRule(
                name=name,
                vm=name,
                restart_attempts=3,
                start_timeout_s=120,
                stop_timeout_s=120,
                allow_migrate=True,
                clauses=C,
            ),
        ]
    if names:
        resources.append(Placement(name="archive", vms=tuple(names), domain="host", hard=False, clauses=C))
    return Blueprint(site="test", resources=tuple(resources))
