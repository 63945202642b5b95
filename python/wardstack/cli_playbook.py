"""Run a playbook of the project, one run at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wardstack.cli_errors import Exit, Refusal
from wardstack.cli_site import HOME, OpenedSite
from wardstack.lab.paths import cache_dir

PATIENCE = 20.0
"""Seconds in which what a killed run left behind ends by itself."""


def environment(opened: OpenedSite) -> dict[str, str]:
    """Return the environment of Ansible for a site."""
    own = {
        **os.environ,
        "ANSIBLE_CONFIG": str(HOME / "ansible.cfg"),
        "WARDSTACK_PROGRESS_DIR": str(opened.state_dir / "progress"),
    }
    if os.geteuid() == 0:
        # Nothing of a lab stays outside the product's cache.
        own["ANSIBLE_HOME"] = str(cache_dir() / "ansible")
    return own


def command(opened: OpenedSite, playbook: str, *options: str, **variables: str | None) -> list[str]:
    """Return the command line that runs a playbook.

    Args:
        opened: the site.
        playbook: its file name in playbooks/.
        options: for ansible-playbook.
        variables: extra variables; those that are None are left out.
    """
    given = {name: value for name, value in variables.items() if value is not None}
    extra = ["--extra-vars", json.dumps(given)] if given else []
    # When this process is killed, Ansible must not go on alone.
    bind = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    ansible = str(Path(sys.executable).parent / "ansible-playbook")
    return [*bind, ansible, "--inventory", str(opened.inventory), *options, *extra, str(HOME / "playbooks" / playbook)]


def run(opened: OpenedSite, playbook: str, *options: str, quiet: bool = False, **variables: str | None) -> None:
    """Run a playbook and wait for its end.

    Args:
        opened: the site.
        playbook: its file name in playbooks/.
        options: for ansible-playbook.
        quiet: its output is shown only when it fails.
        variables: extra variables; those that are None are left out.

    Raises:
        subprocess.CalledProcessError: it failed; it has said why.
        KeyboardInterrupt: it was interrupted, and has ended.
    """
    words = command(opened, playbook, *options, **variables)
    pipe = subprocess.PIPE if quiet else None
    with subprocess.Popen(
        words, env=environment(opened), cwd=HOME, stdout=pipe, stderr=subprocess.STDOUT if quiet else None, text=True
    ) as process:
        try:
            told, _ = process.communicate()
        except KeyboardInterrupt:
            # The terminal has told Ansible too; it gets the time to end its steps.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.terminate()
            raise
    if process.returncode != 0:
        if told:
            sys.stderr.write(told)
        raise subprocess.CalledProcessError(process.returncode, playbook)


@contextmanager
def one_run_at_a_time(opened: OpenedSite) -> Iterator[None]:
    """Hold the lock of a site, which ends with the process even when it is killed.

    Raises:
        Refusal: another run goes on.
    """
    folder = cache_dir() if os.access(cache_dir().parent, os.W_OK) else Path.home() / ".cache" / "wardstack"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{opened.site.name}.lock"
    with path.open("a+", encoding="utf-8") as stream:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                stream.seek(0)
                holder = stream.read().strip() or "unknown"
                if time.monotonic() > deadline:
                    message = f"another run of the site {opened.site.name} goes on (process {holder}); wait for its end"
                    raise Refusal(message, Exit.IMPOSSIBLE) from None
                time.sleep(0.5)
        stream.seek(0)
        stream.truncate()
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        # The file stays: one that is removed while another run waits for it would let two runs in.
        yield


def renew_lock() -> None:
    """Write python/requirements.lock anew.

    Raises:
        subprocess.CalledProcessError: no solution, or no package index.
    """
    options = ["--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header", "--no-emit-options"]
    private = ["--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"]
    tool = str(Path(sys.executable).parent / "pip-compile")
    words = [tool, "--quiet", "--upgrade", *options, *private, "--output-file=requirements.lock", "requirements.in"]
    subprocess.run(words, cwd=HOME / "python", check=True)
