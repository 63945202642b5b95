#!/usr/bin/python
"""Ansible module: the machines of the embedded lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wardstack_lab
short_description: Make and power on the hosts of the embedded lab
description:
  - Runs on the controller. Builds what is missing of the lab that an inventory describes (networks,
    BMCs, hosts as system containers) and waits until every host answers on its ssh port.
  - A host that exists keeps everything it has; one that is off is powered on.
options:
  inventory_dir:
    description: Folder of the site's inventory (C(site.yml) with C(lab=true), C(hosts.yml)).
    type: path
    required: true
attributes:
  check_mode:
    description: Says what would be made or powered on and touches nothing.
    support: full
  diff_mode:
    description: Shows a line for each host that would be or was changed.
    support: full
author: Wardstack founders
"""

EXAMPLES = r"""
- name: Power on the lab's hosts
  wardstack_lab:
    inventory_dir: "{{ inventory_dir }}"
"""

RETURN = r"""
changes:
  description: What was or would be made or powered on, in words.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"inventory_dir": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    # Imported here so that `ansible-doc` works without the product's dependencies.
    from wardstack.lab.api import Lab
    from wardstack.lab.command import LabError

    try:
        lab = Lab(Path(module.params["inventory_dir"]))
        changes = lab.missing() if module.check_mode else lab.up()
    except (LabError, OSError) as error:
        module.fail_json(msg=str(error))
    after = "".join(f"{change}\n" for change in changes)
    module.exit_json(changed=bool(changes), changes=changes, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
