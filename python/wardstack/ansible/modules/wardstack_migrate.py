#!/usr/bin/python
"""Ansible module: move a running VM to another host without interrupting it."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: wardstack_migrate
author: Wardstack
short_description: Move a running VM to another host without interrupting it
description:
  - Runs on the controller. The cluster migrates the VM live; its rules apply again afterwards, so that a VM moved
    beside one that it is to be kept apart from is moved on by the cluster (RV(resting)).
attributes:
  check_mode: {support: full, details: Says what would move.}
  diff_mode: {support: full}
options:
  inventory_dir:
    description: Directory of the site's inventory.
    type: path
    required: true
  standards_dir:
    description: Directory of the standard documents.
    type: path
    required: true
  connections:
    description: Connection variables of at least every hypervisor, by name.
    type: dict
    required: true
  vm:
    description: The VM.
    type: str
    required: true
  host:
    description: Where to; the host that carries the fewest VMs when not given.
    type: str
"""

EXAMPLES = """
- name: Move an archive node
  wardstack_migrate:
    inventory_dir: "{{ inventory_dir }}"
    standards_dir: "{{ playbook_dir }}/../docs/standards"
    connections: "{{ site_connections }}"
    vm: a1
    host: h2
  delegate_to: localhost
"""

RETURN = """
source:
  description: Host that it ran on.
  type: str
  returned: when migrated
target:
  description: Host that it was moved to.
  type: str
  returned: when migrated
resting:
  description: Host that it runs on once the cluster has come to rest.
  type: str
  returned: when migrated
seconds:
  description: From the order to running on the target.
  type: float
  returned: when migrated
downtime_ms:
  description: The VM's pause as the hypervisor measured it; none when it does not tell.
  type: float
  returned: when migrated
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "inventory_dir": {"type": "path", "required": True},
            "standards_dir": {"type": "path", "required": True},
            "connections": {"type": "dict", "required": True},
            "vm": {"type": "str", "required": True},
            "host": {"type": "str"},
        },
        supports_check_mode=True,
    )
    # Imported here so that ansible-doc can read this file without the package.
    from dataclasses import asdict

    from wardstack.engines.base import EngineError
    from wardstack.engines.registry import open_engine
    from wardstack.site import load_site
    from wardstack.standards.problems import DocumentErrors

    vm, host = module.params["vm"], module.params["host"] or None
    try:
        site = load_site(Path(module.params["inventory_dir"]), Path(module.params["standards_dir"]))
        with open_engine(site, module.params["connections"]) as engine:
            where = engine.where()
            if host and where.get(vm) == host:
                module.exit_json(changed=False, msg=f"{vm} runs on {host} already", resting=host)
            if module.check_mode:
                if vm not in where:
                    module.fail_json(msg=f"{vm} does not run; running are: {', '.join(sorted(where)) or 'none'}")
                diff = {"before": f"{vm}: {where[vm]}\n", "after": f"{vm}: {host or 'another host'}\n"}
                module.exit_json(changed=True, diff=diff)
            result = engine.migrate(vm, host, lambda _: None)
    except (EngineError, DocumentErrors) as error:
        module.fail_json(msg=str(error))
    diff = {"before": f"{vm}: {result.source}\n", "after": f"{vm}: {result.target}\n"}
    module.exit_json(changed=True, diff=diff, **asdict(result))


if __name__ == "__main__":
    main()
