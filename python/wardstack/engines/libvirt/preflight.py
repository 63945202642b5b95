"""Everything that is known to be wrong before the first change, all of it at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wardstack.blueprint.model import Blueprint, Image, Placement, Pool, StorageUser, Vm, Volume
from wardstack.engines.base import Action, EngineError, Problem, State
from wardstack.engines.libvirt import desired, names
from wardstack.engines.libvirt.config import CRUSH_TYPES, LibvirtConfig
from wardstack.placement.first import Carrier, Load, shortfalls

FIXED = {
    "volume": ("pool", "image", "encryption"),
    "filesystem": ("metadata_pool", "data_pool"),
    "pool": ("application",),
}
"""Attributes that cannot change while the resource holds data."""

Check = Callable[[LibvirtConfig, Blueprint, State, Sequence[Action]], Iterator[Problem]]


def preflight(config: LibvirtConfig, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> list[Problem]:
    """Run every check; an empty list means that the plan may begin."""
    found = list(state.problems)
    for check in CHECKS:
        found += [problem for problem in check(config, blueprint, state, actions) if problem not in found]
    return found


def carriers(config: LibvirtConfig, blueprint: Blueprint, state: State, *, online: bool = False) -> list[Carrier]:
    """The hosts as the placement sees them, by the failure domain that VMs are spread over."""
    domain = next((placement.domain for placement in blueprint.of(Placement)), "host")
    return [
        Carrier(host.name, host.memory_mib, host.cpus, host.domains[domain])
        for host in state.hosts.values()
        if host.online or not online
    ]


def loads(blueprint: Blueprint) -> list[Load]:
    """The VMs as the placement sees them."""
    return [Load(vm.name, vm.memory_mib, vm.cpus) for vm in blueprint.of(Vm)]


def _capacity(
    config: LibvirtConfig, blueprint: Blueprint, state: State, actions: Sequence[Action]
) -> Iterator[Problem]:
    # Hosts that do not answer are named already; judging the rest would only repeat that.
    if set(state.hosts) != set(config.domains):
        return
    for where, what in shortfalls(carriers(config, blueprint, state), loads(blueprint)):
        yield Problem(where, what, "Add a host or memory, or lower archive_node_memory_mib or archive_node_cpus")


def _pools(config: LibvirtConfig, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> Iterator[Problem]:
    nodes = state.facts.get("crush", [])
    if not nodes:
        return
    by_id = {node["id"]: node for node in nodes}
    up = {osd["id"] for osd in state.facts["osds"] if osd["up"]}

    def holds_disk(node: int) -> bool:
        return node in up if node >= 0 else any(holds_disk(child) for child in by_id[node].get("children", []))

    for pool in blueprint.of(Pool):
        crush = CRUSH_TYPES[pool.failure_domain]
        there = sum(1 for node in nodes if node["type"] == crush and holds_disk(node["id"]))
        if there < pool.replicas:
            yield Problem(
                pool.id,
                f"{pool.replicas} replicas need as many failure domains ({pool.failure_domain}) with a running disk, "
                f"there are {there}",
                "Repair or add hosts with disks, or lower storage_replicas within its clause's bounds",
            )


def _images(config: LibvirtConfig, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> Iterator[Problem]:
    wanted = {action.id for action in actions if action.op in ("create", "update")}
    for image in blueprint.of(Image):
        # An image that storage already holds needs no file on the controller.
        if image.id not in wanted:
            continue
        path = Path(image.path)
        if not path.is_file():
            yield Problem(
                str(path), "the golden image does not exist", "Build it: run the playbook image.yml", missing=True
            )
            continue
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != image.sha256:
            yield Problem(
                str(path),
                f"has SHA-256 {digest[:12]}…, expected {image.sha256[:12]}…",
                "Build it again: playbook image.yml",
            )


def _fixed(config: LibvirtConfig, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> Iterator[Problem]:
    for action in actions:
        if action.op != "update" or action.before is None or action.after is None:
            continue
        for key in FIXED.get(action.kind, ()):
            if action.before.get(key) != action.after.get(key):
                yield Problem(
                    action.id,
                    f"{key} cannot change from {action.before.get(key)} to {action.after.get(key)} while it holds data",
                    "Set it back, or give the new one another name and move the data",
                )
        if action.kind == "volume" and int(action.after["size_mib"]) < int(action.before["size_mib"]):
            yield Problem(
                action.id,
                f"cannot shrink from {action.before['size_mib']} to {action.after['size_mib']} MiB",
                "Set the size back to at least what it has",
            )


def _secrets(config: LibvirtConfig, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> Iterator[Problem]:
    encrypted = [volume for volume in blueprint.of(Volume) if volume.encryption == "luks2"]
    if not encrypted:
        return
    for volume in encrypted:
        try:
            config.secret(volume.secret or "")
        except EngineError as error:
            yield from (replace(problem, missing=True) for problem in error.problems)
    lacking = sorted(set(config.tang) - set(state.facts.get("tang", {})))
    for host in lacking:
        if host in state.hosts:
            yield Problem(host, "is to be a Tang server but has no key", "Run the playbook hosts.yml", missing=True)
    if len(desired.pins(config, state)) < config.unlock_threshold and not lacking:
        yield Problem(
            "site",
            f"{config.unlock_threshold} Tang servers must answer to unlock, only {len(config.tang)} are planned",
            "Raise disk_unlock_servers or lower disk_unlock_threshold",
        )


def _hosts(config: LibvirtConfig, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> Iterator[Problem]:
    for host, kind in state.facts.get("virt_types", {}).items():
        if not kind:
            yield Problem(
                host, "nobody has probed yet whether it can run KVM", "Run the playbook hosts.yml", missing=True
            )
    nodes = state.facts.get("nodes", {})
    for host in state.hosts.values():
        if nodes and not host.online and not host.drained:
            yield Problem(
                host.name,
                "is not a working member of the availability cluster",
                "Look there with 'crm_mon -1'; run the playbook cluster.yml",
            )
    if blueprint.of(Vm) and not any(user.name == names.VM_USER for user in blueprint.of(StorageUser)):
        yield Problem("blueprint", f"has VMs but no storage user {names.VM_USER}", "Restore it in the storage standard")


CHECKS: tuple[Check, ...] = (_hosts, _capacity, _pools, _images, _fixed, _secrets)
