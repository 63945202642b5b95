"""The manager's known fault, and waiting for an active one."""

from __future__ import annotations

import os
from pathlib import Path

from . import host
from .changes import Changes
from .cluster import Cluster
from .settings import Settings

STUB = Path("/usr/share/ceph/mgr/bcrypt.py")
"""The manager's own module folder: first on the module path of ``ceph-mgr`` and of nothing else."""


def fault_is_here(settings: Settings) -> bool:
    """Say whether the installed manager has the fault that the stub gets around.

    ``mgr_util`` imports bcrypt, whose PyO3 refuses to be loaded a second time in
    one process ("PyO3 modules do not yet support subinterpreters"); every module
    of the manager has an interpreter of its own, so all of them fail.
    """
    version = host.package_version("ceph-mgr") or ""
    return any(version.split("+")[0].split("-")[0] == faulty for faulty in settings.manager_stub_versions)


def ensure_stub(settings: Settings, changes: Changes) -> None:
    """Put the stub there where the fault is, and take it away where it is not; then restart the manager."""
    wanted = settings.manager_stub if fault_is_here(settings) else None
    there = STUB.read_text() if STUB.exists() else None
    if there == wanted:
        return
    words = {True: "absent", False: "present"}
    if not changes.add("manager's stub for bcrypt", words[there is None], words[wanted is None]):
        return
    if wanted is None:
        STUB.unlink()
    else:
        temporary = STUB.with_suffix(".new")
        temporary.write_text(wanted)
        temporary.chmod(0o644)
        os.replace(temporary, STUB)
    # Nothing to restart on a host that is being built.
    host.run(["systemctl", "try-restart", f"ceph-mgr@{settings.host}.service"])


def ensure_modules(settings: Settings, changes: Changes, cluster: Cluster) -> None:
    """Turn off the module `restful` where the fault is: it imports OpenSSL, whose PyO3 fails in the same way."""
    if not fault_is_here(settings):
        return
    enabled = cluster.ask("mgr module ls")["enabled_modules"]
    if "restful" in enabled and changes.add("manager's module restful", "enabled", "disabled"):
        cluster.ask("mgr module disable", module="restful")


def wait_for_active(settings: Settings, cluster: Cluster) -> None:
    """Wait for an active manager.

    Raises:
        CephError: there is none in time.
    """
    host.wait_for(
        "a manager is active",
        lambda: True if cluster.ask("mgr stat").get("available") else None,
        settings.wait_s,
        lambda: host.last_words(f"ceph-mgr@{settings.host}.service"),
    )
