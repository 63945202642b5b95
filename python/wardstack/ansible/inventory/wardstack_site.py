"""Inventory plugin: a site's parameters, computed groups and archive nodes, beside its plain hosts.yml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = """
name: wardstack_site
short_description: The site of a hospital and what its standards make of it
description:
  - Reads C(site.yml) and, beside it, C(hosts.yml) and C(deviations.yml), checks them against the standards in
    C(docs/standards), and refuses the inventory with every problem at once when something is wrong.
  - Adds the variables C(std) (parameter to value) and C(site), the groups C(ceph_mon), C(ceph_mgr), C(ceph_osd),
    C(ceph_mds), C(tang_servers), and the hosts of the group C(archive_nodes).
options:
  plugin:
    description: Marks the file as one of this plugin.
    required: true
    choices: [wardstack_site]
"""

EXAMPLES = """
# inventories/<site>/site.yml
plugin: wardstack_site
site: lab
engine: libvirt
"""

_PYTHON = Path(__file__).resolve().parents[3]


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible ships no types
    """Thin face of `wardstack.site.load_site`."""

    NAME = "wardstack_site"

    def verify_file(self, path: str) -> bool:
        """Only a file called site.yml is one of ours; hosts.yml is read by Ansible's own plugin."""
        return bool(super().verify_file(path)) and Path(path).name in ("site.yml", "site.yaml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add what the site and its standards say.

        Raises:
            AnsibleParserError: the documents have problems; the message lists them all.
        """
        super().parse(inventory, loader, path, cache)
        if str(_PYTHON) not in sys.path:
            sys.path.insert(0, str(_PYTHON))
        from wardstack.site import load_site
        from wardstack.standards import DocumentErrors

        try:
            site = load_site(Path(path).parent, _PYTHON.parent / "docs" / "standards")
        except DocumentErrors as errors:
            raise AnsibleParserError(f"the documents of the site have problems:\n{errors}") from None
        inventory.set_variable("all", "std", dict(site.std))
        inventory.set_variable("all", "site", site.as_vars())
        for host in site.hosts:
            inventory.add_host(host.name, group=inventory.add_group("hypervisors"))
            for key, value in host.as_vars().items():
                inventory.set_variable(host.name, key, value)
        for group, hosts in site.groups().items():
            inventory.add_group(group)
            for name in hosts:
                inventory.add_host(name, group=group)
        inventory.add_group("archive_nodes")
        for index, node in enumerate(site.archive_nodes, start=1):
            inventory.add_host(node.name, group="archive_nodes")
            for key, value in node.as_vars(index).items():
                inventory.set_variable(node.name, key, value)
