#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Read how one machine sees itself and the cluster it belongs to.

Self-contained on purpose: it runs on the target, where only Python's standard library is at hand.
"""

from __future__ import annotations

import glob
import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: wardstack_status
short_description: Read the state of a host or archive node
version_added: "1.0.0"
description:
  - Reads storage health, cluster members, where VMs run, failed units, addresses and the role of the database.
  - What is not installed is left out, so it works on a bare host as on a finished one. Nothing is changed, ever.
author:
  - Wardstack contributors
options:
  services:
    description: Units whose state is asked for.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for an answer of the storage and the cluster.
    type: int
    default: 8
attributes:
  check_mode:
    description: Reads the same.
    support: full
  diff_mode:
    description: There is never a difference.
    support: none
"""

EXAMPLES = r"""
- name: Read the state of each machine
  wardstack_status:
    services: [haproxy.service, keepalived.service]
  register: machine
"""

RETURN = r"""
storage:
  description: Ceph's own view, missing where there is no Ceph or no answer.
  returned: when there is one
  type: dict
  sample: {health: HEALTH_OK, warnings: [], monitors: 1, quorum: [h1], osds: 1, osds_up: 1, bytes_used: 1, bytes: 2}
cluster:
  description: Pacemaker's own view, missing where it does not run.
  returned: when there is one
  type: dict
  sample: {nodes: {h1: online}, resources: {vm-a1: {role: Started, node: h1}}, quorum: true}
services:
  description: State of each unit asked for.
  returned: always
  type: dict
  sample: {haproxy.service: active}
failed_units:
  description: Units that failed.
  returned: always
  type: list
  elements: str
addresses:
  description: IP addresses of all interfaces.
  returned: always
  type: list
  elements: str
database:
  description: V(primary) or V(standby) where PostgreSQL runs, else V(none).
  returned: always
  type: str
"""


def answer(command: list[str], timeout: float) -> str:
    """Return what a command prints; empty where it is missing, fails or takes too long."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def storage(timeout: int) -> dict[str, Any] | None:
    """Return Ceph's health, monitors, disks and fill level, or None without an answer."""
    text = answer(["ceph", "status", "--format=json", f"--connect-timeout={timeout}"], timeout + 2)
    try:
        told = json.loads(text)
        return {
            "health": told["health"]["status"],
            "warnings": sorted(check["summary"]["message"] for check in told["health"].get("checks", {}).values()),
            "monitors": told["monmap"]["num_mons"],
            "quorum": sorted(told["quorum_names"]),
            "osds": told["osdmap"]["num_osds"],
            "osds_up": told["osdmap"]["num_up_osds"],
            "bytes_used": told["pgmap"]["bytes_used"],
            "bytes": told["pgmap"]["bytes_total"],
        }
    except (ValueError, KeyError):
        return None


def cluster(timeout: int) -> dict[str, Any] | None:
    """Return Pacemaker's nodes and resources, or None where it does not run."""
    try:
        root = ElementTree.fromstring(answer(["crm_mon", "--one-shot", "--output-as=xml"], timeout))
    except ElementTree.ParseError:
        return None
    if root.find("./nodes") is None:
        return None
    quorum = root.find("./summary/current_dc")
    nodes = {node.get("name", ""): node_state(node) for node in root.iterfind("./nodes/node")}
    resources = {}
    for resource in root.iterfind("./resources//resource"):
        on = resource.find("./node")
        resources[resource.get("id", "")] = {
            "role": resource.get("role", ""),
            "node": "" if on is None else on.get("name", ""),
            "failed": resource.get("failed") == "true",
        }
    return {
        "nodes": nodes,
        "resources": resources,
        "quorum": quorum is not None and quorum.get("with_quorum") == "true",
    }


def node_state(node: ElementTree.Element) -> str:
    """Return one word for a cluster node."""
    for flag in ("unclean", "maintenance", "standby", "pending"):
        if node.get(flag) == "true":
            return flag
    return "online" if node.get("online") == "true" else "offline"


def service_states(names: list[str]) -> dict[str, str]:
    """Return the state of units, by name."""
    if not names:
        return {}
    lines = answer(["systemctl", "is-active", "--", *names], 10).split("\n")
    return dict(zip(names, lines, strict=False))


def failed_units() -> list[str]:
    """Return the names of failed units."""
    lines = answer(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"], 10).splitlines()
    return sorted(line.split()[0] for line in lines if line.strip())


def addresses() -> list[str]:
    """Return the IP addresses of all interfaces but the loopback one."""
    try:
        links = json.loads(answer(["ip", "-json", "address", "show"], 10))
    except ValueError:
        return []
    return sorted(
        one["local"]
        for link in links
        for one in link.get("addr_info", [])
        if one.get("scope") == "global" and "local" in one
    )


def database() -> str:
    """Return the role of PostgreSQL, which its processes' names tell without a connection."""
    names = set()
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                names.add(stream.read().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    ours = " ".join(name for name in names if name.startswith("postgres:"))
    if "walwriter" in ours:
        return "primary"
    return "standby" if ours else "none"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 8},
        },
        supports_check_mode=True,
    )
    told: dict[str, Any] = {
        "services": service_states(module.params["services"]),
        "failed_units": failed_units(),
        "addresses": addresses(),
        "database": database(),
    }
    for name, found in (("storage", storage(module.params["timeout"])), ("cluster", cluster(module.params["timeout"]))):
        if found is not None:
            told[name] = found
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
