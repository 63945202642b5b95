"""What a failed test leaves to be read: the lab that failed is taken down after it."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.command import wardstack
from wardstack.cli_lab import lab_ssh
from wardstack.cli_site import OpenedSite

JOURNAL = "sudo journalctl --boot --no-pager --output=short-iso-precise"
CONSOLES = "sudo tail --bytes=200000 /var/log/libvirt/qemu/*.log"


def keep(opened: OpenedSite, folder: Path) -> None:
    """Keep every machine's journal, the consoles and QEMU's words of the VMs, and what `status` says.

    A machine that does not answer leaves a file that says so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = [(host.name, f"root@{host.ansible_host}", f"{JOURNAL}; {CONSOLES}") for host in opened.site.hosts]
    asked += [(node.name, f"ansible@{node.addresses['cluster']}", JOURNAL) for node in opened.site.archive_nodes]

    def ask(name: str, login: str, command: str) -> None:
        words = [*lab_ssh(opened), "-o", "ConnectTimeout=20", login, command]
        with (folder / f"{name}.log").open("wb") as log:
            try:
                subprocess.run(words, stdout=log, stderr=subprocess.STDOUT, timeout=120, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                log.write(f"\n{error}\n".encode())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda words: ask(*words), asked))
    (folder / "status.txt").write_text(wardstack("status", timeout=300).output)
