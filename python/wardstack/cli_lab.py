"""Power, cables and disks of the embedded lab: failures made on purpose, one command each."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from typing import Annotated

import typer

from wardstack.cli_errors import Exit, Refusal, guarded
from wardstack.cli_site import OpenedSite, SiteOption, open_site, require_root
from wardstack.lab.api import Lab
from wardstack.lab.paths import cache_dir

app = typer.Typer(help="Power, cables and disks of the embedded lab's hosts.", no_args_is_help=True)

HostArgument = Annotated[str, typer.Argument(help="A host of the lab, such as h2.")]


class Power(StrEnum):
    """What to do with a host's power."""

    on = "on"
    off = "off"


class Cable(StrEnum):
    """What to do with a cable."""

    cut = "cut"
    restore = "restore"


class DiskState(StrEnum):
    """What to do with a disk."""

    fail = "fail"
    restore = "restore"


def open_lab(site: str) -> tuple[OpenedSite, Lab]:
    """Open the lab of a site.

    Raises:
        Refusal: the site is a hospital's own.
    """
    opened = open_site(site)
    if not opened.lab:
        raise Refusal(f"{site} is a hospital's own site, not a lab: its machines are not ours to switch", Exit.USAGE)
    require_root("lab", opened)
    return opened, Lab(opened.inventory)


@app.command()
@guarded
def power(state: Power, host: HostArgument, site: SiteOption = "lab") -> None:
    """Cut a host's power at once, or give it back."""
    _, lab = open_lab(site)
    changed = lab.power(host, on=state is Power.on)
    typer.echo(f"{host} is {'now' if changed else 'already'} {state.value}")


@app.command()
@guarded
def link(
    state: Cable,
    host: HostArgument,
    network: Annotated[str | None, typer.Argument(help="A network, such as cluster; by default all.")] = None,
    site: SiteOption = "lab",
) -> None:
    """Pull a host's network cables, or plug them in again."""
    _, lab = open_lab(site)
    lab.link(host, up=state is Cable.restore, networks=[network] if network else None)
    what = f"cable to {network}" if network else "cables"
    typer.echo(f"{host}: {what} {'plugged in' if state is Cable.restore else 'pulled'}")


@app.command()
@guarded
def disk(
    state: DiskState,
    host: HostArgument,
    disk: Annotated[str, typer.Argument(help="A disk's id in hosts.yml, such as osd0.")],
    site: SiteOption = "lab",
) -> None:
    """Make a host's disk fail, or give the host a new one in its place."""
    _, lab = open_lab(site)
    lab.disk(host, disk, works=state is DiskState.restore)
    typer.echo(f"{host}: disk {disk} {'replaced' if state is DiskState.restore else 'fails'}")


@app.command()
@guarded
def shell(host: HostArgument, site: SiteOption = "lab") -> None:
    """Open a shell on a host or archive node over ssh."""
    opened, _ = open_lab(site)
    user, address = "root", None
    for one in opened.site.hosts:
        if one.name == host:
            address = one.ansible_host
    for node in opened.site.archive_nodes:
        if node.name == host:
            user, address = "ansible", node.addresses["cluster"]
    if address is None:
        known = [one.name for one in opened.site.hosts] + [node.name for node in opened.site.archive_nodes]
        raise Refusal(f"no machine '{host}'; there are {', '.join(known)}", Exit.USAGE)
    os.execvp(  # noqa: S606
        "nsenter", [*lab_ssh(opened), f"{user}@{address}"]
    )


def lab_ssh(opened: OpenedSite) -> list[str]:
    """Return the ssh command that reaches the lab's machines."""
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    key = str(opened.state_dir / "ssh" / "id_ed25519")
    words = ["nsenter", "--net=/run/netns/ws-lab", "ssh", "-i", key]
    return words + [word for option in options for word in ("-o", option)]


def remove(opened: OpenedSite, *, purge: bool) -> None:
    """Take the lab down and say what was done.

    Raises:
        Refusal: the site is a hospital's own.
    """
    if not opened.lab:
        raise Refusal(f"{opened.site.name} is a hospital's own site: `down` removes embedded labs only", Exit.USAGE)
    began = time.monotonic()
    Lab(opened.inventory).down(purge=purge, progress=typer.echo)
    rest = "nothing is left of it" if purge else f"cached images stay in {cache_dir()}"
    typer.echo(f"the lab is gone in {time.monotonic() - began:.1f} s; {rest}")
