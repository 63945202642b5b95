#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: put a host's interfaces into bridges without losing the host."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.wardstack_network import host
from ansible.module_utils.wardstack_network.render import NetworkError, check, devices, files

DOCUMENTATION = r"""
---
module: wardstack_network
short_description: Put a host's interfaces into bridges without losing the host
version_added: "1.0.0"
description:
  - Writes the files of systemd-networkd and switches to them. The address moves from the interface to its bridge, whose
    hardware address is the interface's, so that neighbours notice nothing and connections go on.
  - A host of Debian's installer (ifupdown) is handed over to systemd-networkd.
  - The way back is armed before anything takes effect. Unless O(state=confirmed) is called within O(confirm_s), which
    only somebody can who still reaches the host, the old network comes back. So it does when the host restarts before.
author:
  - Wardstack contributors
options:
  state:
    description: V(present) changes what differs. V(confirmed) keeps it, and fails when the old network is back already.
    type: str
    choices: [present, confirmed]
    default: present
  bridges:
    description: The bridges.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the bridge., type: str, required: true}
      interfaces: {description: "Its interface, or the members of its bond.", type: list, elements: str, required: true}
      address: {description: Address of the host with prefix length. Empty for none., type: str, default: ""}
      gateway: {description: Default gateway. Empty for none., type: str, default: ""}
      vlan: {description: VLAN that the bridge carries. 0 for untagged., type: int, default: 0}
      bond: {description: Mode of the bond. Empty for a single interface., type: str, default: ""}
  mtu:
    description: MTU of every interface in bytes.
    type: int
    default: 1500
  dns:
    description: DNS servers.
    type: list
    elements: str
    default: []
  confirm_s:
    description: Seconds until the old network comes back.
    type: int
    default: 60
attributes:
  check_mode: {support: full, description: Reports truthfully what would change.}
  diff_mode: {support: full, description: Shows the files before and after.}
"""

EXAMPLES = r"""
- name: Put the interface into a bridge
  wardstack_network:
    bridges:
      - {name: br-cluster, interfaces: [eno1], address: 10.78.0.11/24}
  register: network

- name: Come back over the new network
  ansible.builtin.wait_for_connection:
  when: network.pending

- name: Keep it
  wardstack_network:
    state: confirmed
  when: network.pending
"""

RETURN = r"""
pending:
  description: Whether the network waits for being confirmed. Never so in check mode.
  returned: always
  type: bool
reason:
  description: Why the network was (in check mode would be) changed.
  returned: always
  type: str
"""

BRIDGE = {
    "name": {"type": "str", "required": True},
    "interfaces": {"type": "list", "elements": "str", "required": True},
    "address": {"type": "str", "default": ""},
    "gateway": {"type": "str", "default": ""},
    "vlan": {"type": "int", "default": 0},
    "bond": {"type": "str", "default": ""},
}


def present(module: AnsibleModule) -> dict[str, Any]:
    """Change what differs. Returns the module's result. Raises NetworkError and OSError."""
    bridges, mtu = module.params["bridges"], module.params["mtu"]
    check(bridges, mtu, None)
    wanted_devices = devices(bridges)
    physical = {name for name, device in wanted_devices.items() if not device.kind}
    check([b for b in bridges if physical & set(b["interfaces"])], mtu, host.interfaces())
    host.refuse_others()
    wanted = files(bridges, mtu, module.params["dns"])
    found = host.current_files()
    gone = host.superseded(found, wanted, wanted_devices)
    ifupdown = host.ifupdown_has(wanted_devices)
    differing = [name for name, text in wanted.items() if found.get(name) != text]
    reason = ""
    if differing or gone:
        reason = "files differ: " + ", ".join(differing + gone)
    elif ifupdown:
        reason = "ifupdown has the interfaces"
    else:
        reason = host.live_problem(wanted_devices)
    pending = os.path.exists(host.PENDING)
    diff = [
        {"before_header": name, "after_header": name, "before": found.get(name, ""), "after": wanted.get(name, "")}
        for name in differing + gone
    ]
    if ifupdown:
        before = host.read(host.INTERFACES)
        diff.append(
            {
                "before_header": host.INTERFACES,
                "after_header": host.INTERFACES,
                "before": before,
                "after": host.ONLY_LOOPBACK,
            }
        )
    if reason and not module.check_mode:
        host.change(wanted, wanted_devices, module.params["confirm_s"])
        pending = True
    return {
        "changed": bool(reason) or pending,
        "reason": reason,
        "pending": pending and not module.check_mode,
        "diff": diff,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "confirmed"], "default": "present"},
            "bridges": {"type": "list", "elements": "dict", "default": [], "options": BRIDGE},
            "mtu": {"type": "int", "default": 1500},
            "dns": {"type": "list", "elements": "str", "default": []},
            "confirm_s": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "present":
            result = present(module)
        else:
            if not os.path.exists(host.PENDING):
                raise NetworkError(
                    "nobody reached this host over its new network in time, so the old one came back. Compare"
                    " host_addresses and host_interfaces in the inventory with cables, switch and firewall"
                )
            if not module.check_mode:
                host.confirm()
            result = {"changed": True, "pending": False, "reason": ""}
    except (NetworkError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
