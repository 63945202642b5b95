"""What a failed test leaves to be read: the lab that failed is taken down after it."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.command import REPOSITORY
from wardstack.cli_lab import lab_ssh
from wardstack.cli_site import OpenedSite

JOURNAL = "sudo journalctl --boot --no-pager --output=short-iso-precise"
CONSOLES = "sudo tail --bytes=200000 /var/log/libvirt/qemu/*.log"


def keep(opened: OpenedSite, folder: Path) -> None:
    """Keep every machine's journal, the consoles and QEMU's words of the VMs, and what `status` says.

    A machine that does not answer leaves a file that says so: nothing here may hide why the test failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ssh = [*lab_ssh(opened), "-o", "ConnectTimeout=20"]
    asked = {host.name: [*ssh, f"root@{host.ansible_host}", f"{JOURNAL}; {CONSOLES}"] for host in opened.site.hosts}
    asked |= {node.name: [*ssh, f"ansible@{node.addresses['cluster']}", JOURNAL] for node in opened.site.archive_nodes}
    asked["status"] = ["./wardstack", "status"]

    def ask(name: str) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            try:
                subprocess.run(asked[name], cwd=REPOSITORY, stdout=log, stderr=log, timeout=180, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                log.write(f"\n{error}\n".encode())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, asked))
