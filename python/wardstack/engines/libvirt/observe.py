"""Reads every host at once and normalises what they say into a `State`."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from wardstack.engines.base import EngineError, Host, Problem, State
from wardstack.engines.libvirt import bundle, ha, normalise
from wardstack.engines.libvirt.config import LibvirtConfig
from wardstack.engines.libvirt.transport import Transport, in_parallel

HOST_PARTS = ("host", "virt")
SHARED_PARTS = ("cluster", "ceph", "rbd")
"""Parts that are the same wherever they are read, so one host reads them for all."""

TIMEOUT_S = 45


def observe(transport: Transport, config: LibvirtConfig) -> State:
    """Read the whole cloud."""
    begun = time.monotonic()
    problems: list[Problem] = []
    names = list(transport.connections)

    def ask(job: str) -> Any:
        host, _, parts = job.partition(" ")
        try:
            return bundle.ask(transport, host, "observe", {"parts": parts.split()}, timeout_s=TIMEOUT_S)
        except EngineError as error:
            return error

    # The first host is asked twice at once: for itself, and for what all share.
    jobs = [f"{host} {' '.join(HOST_PARTS)}" for host in names] + [f"{names[0]} {' '.join(SHARED_PARTS)}"]
    answers = in_parallel(jobs, ask)
    hosts: dict[str, dict[str, Any]] = {}
    for host, job in zip(names, jobs, strict=False):
        answer = answers[job]
        if isinstance(answer, EngineError):
            problems += answer.problems
        else:
            hosts[host] = answer
    shared = answers[jobs[-1]]
    for host in names[1:]:
        if not isinstance(shared, EngineError) and not shared["errors"]:
            break
        if host in hosts and hosts[host].get("host", {}).get("ceph_admin"):
            shared = ask(f"{host} {' '.join(SHARED_PARTS)}")
    lead = names[0]
    if isinstance(shared, EngineError):
        problems += [p for p in shared.problems if p not in problems]
        shared = {"errors": {}}
    for host, report in [*hosts.items(), (lead, shared)]:
        problems += [
            Problem(host, e["error"], e["fix"], missing="not installed" in e["error"])
            for e in report["errors"].values()
        ]
    return assemble(config, hosts, shared, tuple(dict.fromkeys(problems)), time.monotonic() - begun)


def assemble(
    config: LibvirtConfig,
    hosts: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, Any],
    problems: tuple[Problem, ...],
    seconds: float,
) -> State:
    """Normalise the hosts' answers.

    Args:
        config: the site.
        hosts: host → parts ``host`` and ``virt`` (either may be missing).
        shared: parts ``cluster``, ``ceph`` and ``rbd`` (each may be missing).
        problems: what could not be read.
        seconds: how long reading took.
    """
    virt = {host: report["virt"] for host, report in hosts.items() if "virt" in report}
    cluster = shared.get("cluster", {"nodes": {}, "vms": {}, "cib": "<configuration/>"})
    cib = ET.fromstring(cluster["cib"])  # noqa: S314
    # Domains count as well as the cluster's view: a VM that runs outside of the cluster's knowledge still runs.
    where = {vm: host for host, report in virt.items() for vm in report["running"]} | cluster["vms"]
    resources: dict[str, dict[str, Any]] = {}
    managed: set[str] = set()
    for part in (
        normalise.storage(shared.get("ceph"), virt),
        normalise.networks(virt),
        normalise.images(shared.get("rbd", {})),
        normalise.volumes(config.site, shared.get("rbd", {}), virt),
        normalise.vms(virt, shared.get("rbd", {})),
        normalise.cluster(cib, where, config.domains),
    ):
        resources.update(part.resources)
        managed |= part.managed
    return State(
        resources=resources,
        managed=frozenset(managed),
        hosts={
            host: _host(config, host, report, cluster["nodes"]) for host, report in hosts.items() if "host" in report
        },
        where=where,
        problems=problems,
        facts={
            "tang": {h: r["host"]["tang"] for h, r in hosts.items() if r.get("host", {}).get("tang")},
            "virt_types": {h: r["host"]["virt_type"] for h, r in hosts.items() if "host" in r},
            "ceph_hosts": [h for h, r in hosts.items() if r.get("host", {}).get("ceph_admin")],
            "osds": shared.get("ceph", {}).get("osds", []),
            "crush": shared.get("ceph", {}).get("crush", []),
            "health": shared.get("ceph", {}).get("health", ""),
            "key_digests": {u["entity"]: u["key_digest"] for u in shared.get("ceph", {}).get("users", [])},
            "nodes": cluster["nodes"],
            "node_ids": ha.node_ids(cib),
            "constraints": {vm: ha.constraints_of(cib, vm) for vm in ha.read_primitives(cib)},
            "in_cluster": sorted(ha.read_primitives(cib)),
        },
        seconds=seconds,
    )


def _host(config: LibvirtConfig, name: str, report: Mapping[str, Any], nodes: Mapping[str, Mapping[str, bool]]) -> Host:
    facts = report["host"]
    node = nodes.get(name, {})
    return Host(
        name=name,
        cpus=facts["cpus"],
        memory_mib=max(0, facts["memory_mib"] - config.reserve_mib[name]),
        domains=config.domains[name],
        online=bool(node.get("online")) and not node.get("standby"),
        drained=bool(node.get("standby")),
    )
