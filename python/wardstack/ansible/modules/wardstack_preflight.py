#!/usr/bin/python
"""Ansible module: can this host become a member of the cloud?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: wardstack_preflight
short_description: Measure a host against what the standards ask of it, before anything is changed
description:
  - Reads CPUs, memory, disk, processor features, Debian release and listening ports of the host and fails with every
    problem at once. Changes nothing, in check mode or out of it.
options:
  min_cpus:
    description: Fewest processors.
    type: int
    required: true
  min_memory_mib:
    description: Least memory in MiB.
    type: int
    required: true
  min_disk_gib:
    description: Least size in GiB of the file system that holds C(/var/lib).
    type: int
    required: true
  min_free_gib:
    description: Least free space in GiB of that file system.
    type: int
    default: 2
  cpu_features:
    description: Flags that every processor must have, as C(/proc/cpuinfo) names them.
    type: list
    elements: str
    default: []
  debian_release:
    description: Major release of Debian.
    type: str
    required: true
  ports:
    description: TCP ports that the cloud's services will listen on, and the programs that may already do so.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port.
        type: int
        required: true
      programs:
        description: Names of programs that may hold it.
        type: list
        elements: str
        required: true
attributes:
  check_mode:
    description: Only measures.
    support: full
  diff_mode:
    description: Only measures.
    support: none
author: Wardstack founders
"""

EXAMPLES = r"""
- name: Measure the host
  wardstack_preflight:
    min_cpus: 4
    min_memory_mib: 16384
    min_disk_gib: 100
    debian_release: "13"
    ports:
      - {port: 3300, programs: [ceph-mon]}
"""

RETURN = r"""
measured:
  description: What the host has.
  returned: always
  type: dict
problems:
  description: What it lacks, each with what to do.
  returned: always
  type: list
  elements: str
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def measure(module: AnsibleModule) -> dict[str, Any]:
    """Return what the host has: CPUs, MiB of memory, GiB of disk, CPU flags, release."""
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    release = re.search(r'^VERSION_ID="?(\d+)', Path("/etc/os-release").read_text(), re.MULTILINE)
    disk = shutil.disk_usage("/var/lib")
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": int(memory.group(1)) // 1024 if memory else 0,
        "disk_gib": disk.total // 2**30,
        "free_gib": disk.free // 2**30,
        "cpu_flags": sorted(flags.group(1).split()) if flags else [],
        "debian_release": release.group(1) if release else "unknown",
        "ports": listening(module),
    }


def listening(module: AnsibleModule) -> dict[int, list[str]]:
    """Return which programs listen on which TCP port."""
    _, output, _ = module.run_command(["ss", "-Hltnp"])
    found: dict[int, set[str]] = {}
    for line in output.splitlines():
        columns = line.split()
        port = columns[3].rsplit(":", 1)[-1]
        if port.isdigit():
            found.setdefault(int(port), set()).update(re.findall(r'\("([^"]+)"', line))
    return {port: sorted(programs) for port, programs in found.items()}


def judge(params: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """Return what the host lacks, each with what to do about it."""
    problems = []
    if measured["debian_release"] != params["debian_release"]:
        problems.append(
            f"runs release {measured['debian_release']}, the roles are made for Debian {params['debian_release']}:"
            " install that"
        )
    for name, unit in (("cpus", "CPUs"), ("memory_mib", "MiB of memory"), ("disk_gib", "GiB of disk")):
        wanted = params[f"min_{name}"]
        if measured[name] < wanted:
            problems.append(
                f"has {measured[name]} {unit}, the standards ask for {wanted}: extend the host, or"
                f" choose a lower host_min_{name} in site.yml if its clause allows it"
            )
    if measured["free_gib"] < params["min_free_gib"]:
        problems.append(f"/var/lib has {measured['free_gib']} GiB free, {params['min_free_gib']} are needed: make room")
    lacking = sorted(set(params["cpu_features"]) - set(measured["cpu_flags"]))
    if lacking:
        problems.append(f"its processor lacks {', '.join(lacking)}: switch it on in the firmware, or use another host")
    for entry in params["ports"]:
        holders = set(measured["ports"].get(entry["port"], []))
        strangers = sorted(holders - set(entry["programs"]))
        if strangers:
            problems.append(
                f"port {entry['port']} is taken by {', '.join(strangers)}, it is meant for"
                f" {' or '.join(entry['programs'])}: stop or move that service"
            )
    return problems


def main() -> None:
    """Run the module."""
    port = {
        "port": {"type": "int", "required": True},
        "programs": {"type": "list", "elements": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "min_cpus": {"type": "int", "required": True},
            "min_memory_mib": {"type": "int", "required": True},
            "min_disk_gib": {"type": "int", "required": True},
            "min_free_gib": {"type": "int", "default": 2},
            "cpu_features": {"type": "list", "elements": "str", "default": []},
            "debian_release": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "dict", "default": [], "options": port},
        },
        supports_check_mode=True,
    )
    measured = measure(module)
    problems = judge(module.params, measured)
    if problems:
        module.fail_json(
            msg="This host cannot become a member of the cloud; it " + "; it ".join(problems),
            problems=problems,
            measured=measured,
        )
    module.exit_json(changed=False, problems=[], measured=measured)


if __name__ == "__main__":
    main()
