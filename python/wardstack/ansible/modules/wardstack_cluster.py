#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: bring the availability cluster's members, properties and fencing into their state."""

from __future__ import annotations

import subprocess
import time
import xml.etree.ElementTree as ET
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.wardstack_cluster import cib, corosync
from ansible.module_utils.wardstack_cluster.cib import ClusterError

DOCUMENTATION = r"""
---
module: wardstack_cluster
short_description: Bring the availability cluster's members, properties and fencing into their state
version_added: "1.0.0"
description:
  - Runs once, on any member, after every host has its C(corosync.conf) and runs Corosync and Pacemaker.
  - Lets the running Corosync read a changed file, waits until all members are there, then compares Pacemaker's
    configuration with what is wanted and changes only what differs. Resources of others are left alone.
  - Waits until every fence agent has reached its BMC, and says which one has not. A cluster whose fencing does not work
    is not highly available.
author:
  - Wardstack contributors
options:
  members:
    description: Names of all members.
    type: list
    elements: str
    required: true
  properties:
    description: Properties of the cluster.
    type: dict
    default: {}
  defaults:
    description: Defaults of resources.
    type: dict
    default: {}
  fencing:
    description: The BMC of each host. Devices of hosts that are not named any more are removed.
    type: list
    elements: dict
    default: []
    suboptions:
      host: {description: Name of the host., type: str, required: true}
      address: {description: Address of its BMC., type: str, required: true}
      port: {description: Port of its BMC., type: int, default: 443}
      user: {description: User of its BMC., type: str, required: true}
      system: {description: Path of the system in Redfish., type: str, default: /redfish/v1/Systems/1}
      verify: {description: Verify the BMC's certificate., type: bool, default: true}
      action:
        description: What fencing does with a host that does not answer.
        type: str
        choices: [reboot, "off"]
        default: reboot
  wait_s:
    description: Longest time to wait for members, and for fence agents, in seconds.
    type: int
    default: 120
attributes:
  check_mode: {support: full, description: "Reports truthfully what would change, also where no cluster runs yet."}
  diff_mode: {support: full, description: Shows each changed thing before and after. Passwords are never in it.}
"""

EXAMPLES = r"""
- name: Configure the cluster
  wardstack_cluster:
    members: [h1, h2, h3]
    properties: {stonith-enabled: "true"}
    fencing:
      - {host: h1, address: 10.78.0.21, user: fence}
  run_once: true
"""

RETURN = r"""
changes:
  description: What was (in check mode would be) changed.
  returned: success
  type: list
  elements: str
"""

CONFIGURATION = "/etc/corosync/corosync.conf"
DEVICE = {
    "host": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 443},
    "user": {"type": "str", "required": True},
    "system": {"type": "str", "default": "/redfish/v1/Systems/1"},
    "verify": {"type": "bool", "default": True},
    "action": {"type": "str", "choices": ["reboot", "off"], "default": "reboot"},
}


def run(*words: str, timeout_s: float = 30) -> tuple[int, str, str]:
    """Run a command. Returns exit code, output and errors; 127 where it is not installed, 124 where it hangs."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout_s)
    except FileNotFoundError:
        return 127, "", f"{words[0]} is not installed"
    except subprocess.TimeoutExpired:
        return 124, "", f"{words[0]} did not answer in {timeout_s:.0f} s"
    return done.returncode, done.stdout, done.stderr.strip()


def reload_reason() -> str:
    """Return why Corosync has to read its file again, empty when it has or does not run."""
    code, live, _ = run("corosync-cmapctl")
    try:
        with open(CONFIGURATION, encoding="utf-8") as stream:
            wanted = corosync.parse(stream.read())
    except FileNotFoundError:
        return ""
    return corosync.must_reload(wanted, corosync.parse_map(live)) if code == 0 else ""


def wait_for_members(members: list[str], deadline: float) -> None:
    """Wait until the cluster has a leader and all members are online.

    Raises:
        ClusterError: some are not in time; they are named.
    """
    while True:
        code, text, why = run("crm_mon", "--one-shot", "--output-as=xml")
        missing = list(members)
        if code == 0:
            status = ET.fromstring(text)
            online = {node.get("name") for node in status.iterfind("nodes/node") if is_online(node)}
            missing = [name for name in members if name not in online]
            why = "" if status.find("summary/current_dc[@present='true']") is not None else "it has no leader yet"
            if not missing and not why:
                return
        if time.monotonic() > deadline:
            problems = [f"{', '.join(missing)} not online"] * bool(missing) + [why] * bool(why)
            raise ClusterError(
                f"the cluster is not complete: {'; '.join(problems)}. Look with 'journalctl -u corosync -u pacemaker'"
                " on the hosts"
            )
        time.sleep(0.5)


def is_online(node: ET.Element) -> bool:
    """Whether crm_mon shows a node as a full member."""
    return node.get("online") == "true" and node.get("pending") != "true"


def is_about(failure: ET.Element, host: str) -> bool:
    """Whether a failure is one of a host's fence agent."""
    return (failure.get("op_key") or "").startswith(f"{cib.PREFIX}{host}_")


def wait_for_fencing(hosts: list[str], deadline: float) -> None:
    """Wait until every fence agent runs.

    Raises:
        ClusterError: one cannot reach its BMC; the agent's own words are in the message.
    """
    tried_again: set[str] = set()
    while True:
        code, text, _ = run("crm_mon", "--one-shot", "--output-as=xml")
        waiting = list(hosts)
        failures: list[ET.Element] = []
        if code == 0:
            status = ET.fromstring(text)
            active = {
                r.get("id") for r in status.iter("resource") if r.get("active") == "true" and r.get("failed") != "true"
            }
            waiting = [host for host in hosts if cib.PREFIX + host not in active]
            failures = list(status.iter("failure"))
        if not waiting:
            return
        for host in waiting:
            # What failed before, with another password or without its BMC, is not tried again by itself for minutes.
            if host not in tried_again and any(is_about(failure, host) for failure in failures):
                run("crm_resource", "--cleanup", "--resource", cib.PREFIX + host)
            tried_again.add(host)
        if time.monotonic() > deadline:
            said = [
                f"{f.get('node')} said: {f.get('exitreason') or f.get('exitstatus')}"
                for f in failures
                if any(is_about(f, host) for host in waiting)
            ]
            raise ClusterError(
                f"fencing does not work: no host reaches the BMC of {', '.join(waiting)}"
                f" ({'; '.join(said[:2]) or 'no answer yet'})."
                " Compare host_bmc in the inventory, the site's secret bmc_HOST and the BMC's certificate"
            )
        time.sleep(0.5)


def configuration() -> ET.Element:
    """Return the configuration of the running cluster, an empty one where none runs.

    Raises:
        ClusterError: Pacemaker runs but does not answer.
    """
    code, text, errors = run("cibadmin", "--query", "--scope", "configuration")
    if code == 0:
        return ET.fromstring(text)
    if code == 127 or run("systemctl", "is-active", "--quiet", "pacemaker.service")[0] != 0:
        return ET.Element("configuration")
    raise ClusterError(f"Pacemaker does not tell its configuration: {errors}")


def apply(changes: list[cib.Change]) -> None:
    """Make the changes. Raises ClusterError with the words of the one that failed."""
    for change in changes:
        code, _, errors = run(*change.command)
        if code != 0:
            raise ClusterError(f"{change.what} cannot be changed: {errors}")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "members": {"type": "list", "elements": "str", "required": True},
            "properties": {"type": "dict", "default": {}},
            "defaults": {"type": "dict", "default": {}},
            "fencing": {"type": "list", "elements": "dict", "default": [], "options": DEVICE},
            "wait_s": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    given: dict[str, Any] = module.params
    diff: list[dict[str, str]] = []
    try:
        cib.check(given["fencing"])
        reason = reload_reason()
        if reason:
            diff.append(
                {"before_header": "corosync", "after_header": "corosync", "before": "", "after": f"reload ({reason})\n"}
            )
        if not module.check_mode:
            if reason:
                code, output, errors = run("corosync-cfgtool", "-R")
                if code != 0:
                    raise ClusterError(f"Corosync does not take its new configuration: {errors or output}")
            wait_for_members(given["members"], time.monotonic() + given["wait_s"])
        wanted = [{str(k): str(v) for k, v in given[part].items()} for part in ("properties", "defaults")]
        changes = cib.changes(configuration(), wanted[0], wanted[1], given["fencing"])
        diff += [
            {
                "before_header": change.what,
                "after_header": change.what,
                "before": f"{change.before}\n" if change.before else "",
                "after": f"{change.after}\n" if change.after else "",
            }
            for change in changes
        ]
        if not module.check_mode:
            apply(changes)
            if wanted[0].get("stonith-enabled") == "true":
                wait_for_fencing([device["host"] for device in given["fencing"]], time.monotonic() + given["wait_s"])
    except (ClusterError, OSError, ET.ParseError) as error:
        module.fail_json(msg=str(error))
    what = ([f"reload of corosync ({reason})"] if reason else []) + [change.what for change in changes]
    module.exit_json(changed=bool(what), changes=what, diff=diff)


if __name__ == "__main__":
    main()
