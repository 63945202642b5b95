"""What is asked of the archive from outside."""

from __future__ import annotations

from typing import Annotated

import typer

from wardstack import cli_playbook, cli_status
from wardstack.archive.benchmark import BenchmarkError, benchmark
from wardstack.archive.config import VerifyConfig
from wardstack.cli_errors import Exit, Refusal, guarded
from wardstack.cli_site import SiteOption, open_site, require_root

app = typer.Typer(
    help="The DICOM archive: prove that it keeps what it acknowledged; show its state.", no_args_is_help=True
)


@app.command()
@guarded
def verify(
    site: SiteOption = "lab",
    everything: Annotated[bool, typer.Option("--all", help="Read back all that was ever acknowledged.")] = False,
) -> None:
    """Send, find, read back and compare studies, a node being migrated meanwhile; see that what must be is refused."""
    opened = open_site(site)
    require_root("archive verify", opened)
    cli_playbook.run(opened, "verify.yml", verify_read="all" if everything else None)


@app.command()
@guarded
def status(site: SiteOption = "lab") -> None:
    """Show the archive's nodes: where each runs, which is primary, which holds the floating address."""
    opened = open_site(site)
    require_root("archive status", opened)
    typer.echo("\n".join(cli_status.archive_lines(opened, cli_status.read(opened))))


@app.command(name="benchmark")
@guarded
def measure(site: SiteOption = "lab") -> None:
    """Measure objects per second through the floating address, beside dcmtk's storescp with TLS in the same run."""
    opened = open_site(site)
    require_root("archive benchmark", opened)
    try:
        told = benchmark(VerifyConfig.from_site(opened.site.as_vars(), opened.site.std))
    except BenchmarkError as error:
        raise Refusal(str(error), Exit.FAILED) from None
    typer.echo("\n".join(told.summary()))
