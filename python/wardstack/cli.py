"""The commands, a thin face: each verb is a playbook, or one call into the package that does the work."""

from __future__ import annotations

from typing import Annotated

import typer

from wardstack import cli_archive, cli_lab, cli_plan, cli_playbook, cli_status, cli_summary
from wardstack.cli_errors import EXIT_CODES, Exit, guarded
from wardstack.cli_site import Hosts, SiteOption, of_hosts, open_site, require_root
from wardstack.testing import run_tests

app = typer.Typer(
    name="wardstack",
    help="A hospital's private cloud with an encrypted, highly available DICOM archive, built from its standards.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_lab.app, name="lab")
app.add_typer(cli_archive.app, name="archive")


HostsOption = Annotated[
    Hosts | None,
    typer.Option(
        "--hosts", help="What the lab's hosts are: containers, or full VMs with a kernel of their own (slower)."
    ),
]


@app.command()
@guarded
def up(site: SiteOption = "lab", hosts: HostsOption = None) -> None:
    """Build the site, or bring it back to what its standards ask for, and prove that a study is kept."""
    opened = open_site(of_hosts(site, hosts))
    require_root("up", opened)
    with cli_playbook.one_run_at_a_time(opened):
        cli_playbook.run(opened, "site.yml")
        typer.echo(cli_summary.summary(opened, cli_status.read(opened)))


@app.command()
@guarded
def down(
    site: SiteOption = "lab",
    purge: Annotated[bool, typer.Option("--purge", help="Remove the cached images and root file systems too.")] = False,
) -> None:
    """Remove the embedded lab: its hosts, networks, disks and secrets. Refused for a hospital's own site."""
    opened = open_site(site)
    require_root("down", opened)
    with cli_playbook.one_run_at_a_time(opened):
        cli_lab.remove(opened, purge=purge)


@app.command()
@guarded
def status(site: SiteOption = "lab") -> None:
    """Show hosts, storage, cluster and archive on one screen."""
    opened = open_site(site)
    require_root("status", opened)
    typer.echo(cli_status.screen(opened, cli_status.read(opened)))


@app.command()
@guarded
def plan(site: SiteOption = "lab", hosts: HostsOption = None) -> None:
    """Show what `up` would change, as differences, and change nothing."""
    opened = open_site(of_hosts(site, hosts))
    if foreseen := cli_plan.before_there_are_hosts(opened):
        typer.echo(foreseen)
        return
    require_root("plan", opened)
    cli_playbook.run(opened, "site.yml", "--check", "--diff")


@app.command()
@guarded
def migrate(
    vm: Annotated[str, typer.Argument(help="A VM, such as a1.")],
    host: Annotated[str | None, typer.Argument(help="Where to; by default the host with the most room.")] = None,
    site: SiteOption = "lab",
) -> None:
    """Move a running VM to another host without stopping it."""
    opened = open_site(site)
    require_root("migrate", opened)
    cli_playbook.run(opened, "migrate.yml", vm=vm, host=host)


@app.command()
@guarded
def drain(host: Annotated[str, typer.Argument(help="A host, such as h2.")], site: SiteOption = "lab") -> None:
    """Empty a host for maintenance: its VMs move away live, and none comes back before `undrain`."""
    opened = open_site(site)
    require_root("drain", opened)
    cli_playbook.run(opened, "drain.yml", host=opened.known_host(host))


@app.command()
@guarded
def undrain(host: Annotated[str, typer.Argument(help="A host, such as h2.")], site: SiteOption = "lab") -> None:
    """Let a drained host carry VMs again."""
    opened = open_site(site)
    require_root("undrain", opened)
    cli_playbook.run(opened, "undrain.yml", host=opened.known_host(host))


@app.command()
@guarded
def test(
    fast: Annotated[bool, typer.Option("--fast", help="Only lint, unit and property tests: seconds, no root.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only the checks whose name contains this; may be repeated.")
    ] = None,
) -> None:
    """Run the tests, tier by tier; the last line tells how many passed and failed."""
    if not fast:
        require_root("test")
    raise typer.Exit(run_tests(fast=fast, only=tuple(only or ())))


@app.command()
@guarded
def lock() -> None:
    """Renew python/requirements.lock from python/requirements.in (for developers; needs the package index)."""
    cli_playbook.renew_lock()


def main() -> None:
    """Run the command line."""
    app()


__all__ = ["Exit", "app", "main"]
