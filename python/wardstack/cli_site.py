"""Which site a command is about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wardstack.cli_errors import Exit, Refusal
from wardstack.site.load import load_site
from wardstack.site.model import Site

HOME = Path(os.environ.get("WARDSTACK_HOME", Path(__file__).parents[2]))
"""The checkout: playbooks, inventories and standards lie there."""

SiteOption = Annotated[str, typer.Option("--site", help="A folder of inventories/.", metavar="SITE")]


class Hosts(StrEnum):
    """What the hosts of the embedded lab are."""

    container = "container"
    vm = "vm"


LABS = {Hosts.container: "lab", Hosts.vm: "lab-vm"}
"""The two forms of the embedded lab are two inventories, as only a kernel of its own has VLANs and encrypted disks."""


@dataclass(frozen=True)
class OpenedSite:
    """A site whose documents have no problem."""

    site: Site
    inventory: Path

    @property
    def lab(self) -> bool:
        """Whether it is the embedded lab."""
        return self.site.lab

    @property
    def state_dir(self) -> Path:
        """Where its secrets and results lie."""
        return self.site.state_dir

    def known_host(self, name: str) -> str:
        """Return the name of a host of the site.

        Raises:
            Refusal: no such host.
        """
        names = [host.name for host in self.site.hosts]
        if name not in names:
            raise Refusal(f"{self.site.name} has no host '{name}'; it has {', '.join(names)}", Exit.USAGE)
        return name


def open_site(name: str) -> OpenedSite:
    """Load a site and check its documents.

    Raises:
        Refusal: there is no such site.
        DocumentErrors: its documents are wrong.
    """
    inventory = HOME / "inventories" / name
    if not (inventory / "site.yml").is_file():
        known = sorted(path.parent.name for path in (HOME / "inventories").glob("*/site.yml"))
        raise Refusal(f"there is no inventories/{name}/site.yml; sites here: {', '.join(known)}", Exit.USAGE)
    return OpenedSite(load_site(inventory, HOME / "docs" / "standards"), inventory)


def of_hosts(site: str, hosts: Hosts | None) -> str:
    """Return the site that `--site` and `--hosts` mean together.

    Raises:
        Refusal: hosts are chosen for a site that is not the embedded lab.
    """
    if hosts is None:
        return site
    if site not in LABS.values():
        raise Refusal(f"--hosts is for the embedded lab; the hosts of {site} are what its inventory says", Exit.USAGE)
    return LABS[hosts]


def require_root(command: str, opened: OpenedSite | None = None) -> None:
    """Refuse where the lab's namespaces and secrets are out of reach.

    Args:
        command: its name, for the message.
        opened: a hospital's own site needs no root on the controller, only its keys.

    Raises:
        Refusal: not root.
    """
    if os.geteuid() != 0 and (opened is None or opened.lab):
        raise Refusal(f"`{command}` makes or reads containers and networks and needs root: sudo ./wardstack {command}")
