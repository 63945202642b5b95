#!/usr/bin/python
"""Ansible module: empty a host of VMs, or let it carry VMs again."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: wardstack_drain
author: Wardstack
short_description: Empty a host of VMs by live migration, or let it carry VMs again
description:
  - Runs on the controller. A drained host stays in the cluster and in storage, but carries no VM until it is undrained.
attributes:
  check_mode: {support: full, details: Says which VMs would leave.}
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
  host:
    description: The host.
    type: str
    required: true
  drained:
    description: Whether it shall be empty.
    type: bool
    default: true
"""

EXAMPLES = """
- name: Empty a host before maintenance
  wardstack_drain:
    inventory_dir: "{{ inventory_dir }}"
    standards_dir: "{{ playbook_dir }}/../docs/standards"
    connections: "{{ site_connections }}"
    host: h2
  delegate_to: localhost
"""

RETURN = """
where:
  description: VM and the host that runs it, afterwards.
  type: dict
  returned: success
moved:
  description: VMs that moved, and where to.
  type: dict
  returned: success
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "inventory_dir": {"type": "path", "required": True},
            "standards_dir": {"type": "path", "required": True},
            "connections": {"type": "dict", "required": True},
            "host": {"type": "str", "required": True},
            "drained": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    # Imported here so that ansible-doc can read this file without the package.
    from wardstack.engines.base import EngineError
    from wardstack.engines.registry import open_engine
    from wardstack.plan.cloud import ProgressFile
    from wardstack.plan.execute import Progress
    from wardstack.site import load_site
    from wardstack.standards.problems import DocumentErrors

    host, drained = module.params["host"], module.params["drained"]
    try:
        site = load_site(Path(module.params["inventory_dir"]), Path(module.params["standards_dir"]))
        with open_engine(site, module.params["connections"]) as engine:
            state = engine.observe()
            if host not in state.hosts:
                module.fail_json(msg=f"{host} is no host that answers; hosts are: {', '.join(state.hosts)}")
            before = dict(state.where)
            if state.hosts[host].drained == drained:
                module.exit_json(changed=False, where=before, moved={})
            leaving = sorted(vm for vm, place in before.items() if place == host)
            if module.check_mode:
                after = {vm: "another host" if drained and vm in leaving else place for vm, place in before.items()}
            else:
                progress = ProgressFile(site.state_dir / "progress" / "drain.json")

                def report(step: str) -> None:
                    progress(Progress(f"host/{host}", step, 0.0, 0, len(leaving)))

                try:
                    after = dict((engine.drain if drained else engine.undrain)(host, report))
                finally:
                    progress.close()
    except (EngineError, DocumentErrors) as error:
        module.fail_json(msg=str(error))
    moved = {vm: place for vm, place in sorted(after.items()) if before.get(vm) != place}
    module.exit_json(
        changed=True,
        where=after,
        moved=moved,
        diff={"before": _text(host, not drained, before), "after": _text(host, drained, after)},
    )


def _text(host: str, drained: bool, where: dict[str, str]) -> str:
    lines = [f"{host}: {'drained' if drained else 'carries VMs'}"]
    return "\n".join([*lines, *(f"{vm}: {place}" for vm, place in sorted(where.items()))]) + "\n"


if __name__ == "__main__":
    main()
