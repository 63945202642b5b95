"""The first host of each VM, and whether the hosts can carry all VMs at all.

Deterministic: the same hosts and VMs give the same answer, so that two plans
of one blueprint never differ by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

VM_OVERHEAD_MIB = 256
"""Memory that QEMU needs beside the guest's: video, virtio queues and librbd's caches (measured 150-220 MiB)."""

CPU_OVERCOMMIT = 4.0
"""Virtual processors per hardware thread that an archive, which waits for storage most of the time, bears well."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """A host that can carry VMs.

    Attributes:
        memory_mib: memory left for VMs.
        cpus: hardware threads.
        domain: name of the failure domain that VMs are spread over.
    """

    name: str
    memory_mib: int
    cpus: int
    domain: str


@dataclass(frozen=True, slots=True)
class Load:
    """A VM to be placed."""

    name: str
    memory_mib: int
    cpus: int

    @property
    def total_mib(self) -> int:
        """Memory that it takes from its host."""
        return self.memory_mib + VM_OVERHEAD_MIB


def first_hosts(
    carriers: Iterable[Carrier], loads: Iterable[Load], where: Mapping[str, str], spread: Iterable[Sequence[str]] = ()
) -> dict[str, str]:
    """Choose a host for each VM that does not run yet; one that runs stays where it is.

    The domain with the fewest VMs of the same spread group wins, then the host
    with the smallest part of its memory used, then the name.

    Args:
        carriers: hosts that may carry VMs now.
        loads: all VMs.
        where: VM → host of those that run.
        spread: groups of VMs that want different domains.

    Returns:
        VM → host for every VM that fits somewhere.
    """
    hosts = sorted(carriers, key=lambda c: c.name)
    vms = {load.name: load for load in sorted(loads, key=lambda v: v.name)}
    domain = {host.name: host.domain for host in hosts}
    groups = [set(group) for group in spread]
    placed = {vm: host for vm, host in where.items() if vm in vms and host in domain}
    for load in vms.values():
        if load.name in placed:
            continue
        peers = {vm for group in groups if load.name in group for vm in group}

        def cost(host: Carrier, load: Load = load, peers: set[str] = peers) -> tuple[int, float, str]:
            near = sum(1 for vm in peers if vm in placed and domain[placed[vm]] == host.domain)
            used = sum(vms[vm].total_mib for vm, place in placed.items() if place == host.name)
            return near, (used + load.total_mib) / max(host.memory_mib, 1), host.name

        fitting = [
            host
            for host in hosts
            if sum(vms[vm].total_mib for vm, place in placed.items() if place == host.name) + load.total_mib
            <= host.memory_mib
        ]
        if fitting:
            placed[load.name] = min(fitting, key=cost).name
    return placed


def shortfalls(carriers: Iterable[Carrier], loads: Iterable[Load]) -> list[tuple[str, str]]:
    """Say what keeps the hosts from carrying all VMs, also when any one host is lost.

    Returns:
        Pairs of where and what, empty when all is well. Packing is first-fit
        decreasing, which for a handful of VMs finds a packing when there is one
        in all but contrived cases; when it does not, it errs on the safe side.
    """
    hosts = sorted(carriers, key=lambda c: c.name)
    vms = sorted(loads, key=lambda v: (-v.total_mib, v.name))
    if not vms:
        return []
    found = []
    most = max((host.cpus for host in hosts), default=0)
    for load in vms:
        if load.cpus > most:
            found.append((f"vm/{load.name}", f"wants {load.cpus} CPUs, the largest host has {most}"))
    losses = [None, *hosts] if len(hosts) > 1 else [None]
    for lost in losses:
        rest = [host for host in hosts if host is not lost]
        without = f" when {lost.name} is lost" if lost else ""
        left = _unpacked(rest, vms)
        if left:
            need, have = sum(v.total_mib for v in vms), sum(h.memory_mib for h in rest)
            found.append(
                ("hosts", f"memory for {', '.join(left)} is missing{without}: {need} MiB needed, {have} MiB there")
            )
        threads = sum(host.cpus for host in rest)
        wanted = sum(load.cpus for load in vms)
        if wanted > threads * CPU_OVERCOMMIT:
            found.append(
                ("hosts", f"{wanted} virtual CPUs on {threads} threads{without}: at most {CPU_OVERCOMMIT:g} each")
            )
    return found


def _unpacked(hosts: Sequence[Carrier], vms: Sequence[Load]) -> list[str]:
    """Names of the VMs that find no place."""
    free = {host.name: host.memory_mib for host in hosts}
    left = []
    for load in vms:
        place = next((name for name in sorted(free) if free[name] >= load.total_mib), None)
        if place is None:
            left.append(load.name)
        else:
            free[place] -= load.total_mib
    return left
