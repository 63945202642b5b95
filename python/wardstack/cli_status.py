"""The state of a site on one screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wardstack import cli_playbook
from wardstack.cli_errors import Exit, Refusal
from wardstack.cli_site import OpenedSite
from wardstack.lab.api import Lab

Machines = Mapping[str, Mapping[str, Any]]
"""Machine → its state, as filter `machine_state` read it."""

VM_PREFIX = "vm-"


def read(opened: OpenedSite) -> Machines:
    """Ask every machine.

    Raises:
        Refusal: the lab is not up.
        subprocess.CalledProcessError: the playbook failed.
    """
    if opened.lab and len(missing := Lab(opened.inventory).missing()) == len(opened.site.hosts):
        raise Refusal(f"the lab is not up ({'; '.join(missing)}): sudo ./wardstack up", Exit.IMPOSSIBLE)
    cli_playbook.run(opened, "status.yml", quiet=True)
    machines: Machines = json.loads((opened.state_dir / "status.json").read_text(encoding="utf-8"))
    return machines


def screen(opened: OpenedSite, machines: Machines) -> str:
    """Return the whole screen."""
    parts = (
        host_lines(opened, machines),
        storage_lines(machines),
        cluster_lines(machines),
        archive_lines(opened, machines),
    )
    return "\n".join(line for part in parts for line in part)


def host_lines(opened: OpenedSite, machines: Machines) -> list[str]:
    """Return a line for each host: whether it answers, its cables and disks in the lab, and what failed on it."""
    lab = {status.name: status for status in Lab(opened.inventory).status()} if opened.lab else {}
    lines = ["hosts"]
    for host in opened.site.hosts:
        told = machines.get(host.name, {})
        words = ["answers" if answers(told) else "does not answer"]
        if (seen := lab.get(host.name)) is not None:
            words[:0] = ["on" if seen.powered else "OFF"]
            words += [f"{name} cable pulled" for name, works in seen.cables.items() if not works]
            words += [f"disk {name} failed" for name, works in seen.disks.items() if not works]
        words += [f"{unit} failed" for unit in told.get("failed_units", [])]
        lines.append(f"  {host.name:<4} {host.ansible_host:<15} {', '.join(words)}")
    return lines


def storage_lines(machines: Machines) -> list[str]:
    """Return Ceph's health."""
    told = first(machines, "storage")
    if told is None:
        return ["storage", "  no host tells: not built, or no quorum of monitors"]
    used, size = told["bytes_used"] / 2**30, told["bytes"] / 2**30
    lines = [
        "storage",
        f"  {told['health']}, monitors {' '.join(told['quorum'])} of {told['monitors']}, "
        f"disks {told['osds_up']} of {told['osds']} up, {used:.1f} of {size:.1f} GiB used",
    ]
    return lines + [f"  {warning}" for warning in told["warnings"]]


def cluster_lines(machines: Machines) -> list[str]:
    """Return Pacemaker's members, and what it says has failed."""
    told = first(machines, "cluster")
    if told is None:
        return ["cluster", "  no host tells: not built, or not running"]
    quorum = "quorum" if told["quorum"] else "NO QUORUM"
    nodes = ", ".join(f"{name} {state}" for name, state in sorted(told["nodes"].items()))
    failed = sorted(name for name, resource in told["resources"].items() if resource["failed"])
    return ["cluster", f"  {quorum}; {nodes}", *(f"  {name} has failed" for name in failed)]


def archive_lines(opened: OpenedSite, machines: Machines) -> list[str]:
    """Return a line for each archive node: its host, its database's role, what is not active, and the addresses."""
    resources = (first(machines, "cluster") or {"resources": {}})["resources"]
    floating = opened.site.floating_address
    lines = ["archive"]
    for node in opened.site.archive_nodes:
        told = machines.get(node.name, {})
        host = resources.get(f"{VM_PREFIX}{node.name}", {}).get("node") or "nowhere"
        words = [f"on {host}"]
        if answers(told):
            words.append(f"database {told['database']}")
            words += [f"{unit} {state}" for unit, state in told["services"].items() if state != "active"]
            words += [f"{unit} failed" for unit in told["failed_units"]]
            if floating in told["addresses"]:
                words.append(f"holds {floating}")
        else:
            words.append("does not answer")
        lines.append(f"  {node.name:<4} {node.addresses['hospital']:<15} {', '.join(words)}")
    dicom, https = opened.site.number("dicom_tls_port"), opened.site.number("https_port")
    lines.append(
        f"  DICOM over TLS {called_aet(opened)}@{floating}:{dicom}, DICOMweb https://{floating}:{https}/dicom-web/"
    )
    return lines


def called_aet(opened: OpenedSite) -> str:
    """Return the archive's application entity title."""
    return opened.site.word("archive_aet")


def answers(told: Mapping[str, Any]) -> bool:
    """Whether a machine answered."""
    return "failed_units" in told


def first(machines: Machines, what: str) -> dict[str, Any] | None:
    """Return what the first machine that knows tells of the whole; a view with quorum goes first."""
    views: list[dict[str, Any]] = [told[what] for _, told in sorted(machines.items()) if what in told]
    views.sort(key=lambda view: not view.get("quorum"))
    return views[0] if views else None
