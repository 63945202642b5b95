"""What this host is, and the one request that reads everything."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from . import ceph, cluster, rbd, virt
from .process import AgentError, Step

VIRT_TYPE = Path("/etc/wardstack/virt-type")
"""``kvm`` or ``qemu``, written by role libvirt after it booted a kernel."""

TANG_KEYS = Path("/var/lib/tang")
MIB = 1 << 20


def observe(step: Step, parts: list[str]) -> dict[str, Any]:
    """Read the asked parts; one that cannot be read is an error of its own, not of the whole.

    Args:
        step: called with what is being done.
        parts: of ``host``, ``virt``, ``cluster``, ``ceph``, ``rbd``.
    """
    readers = {
        "host": facts,
        "virt": virt.observe,
        "cluster": cluster.observe,
        "ceph": ceph.observe,
        "rbd": rbd.observe,
    }
    report: dict[str, Any] = {}
    errors: dict[str, dict[str, str]] = {}
    for part in parts:
        try:
            report[part] = readers[part]()
        except AgentError as error:
            errors[part] = {"error": str(error), "fix": error.fix}
    report["errors"] = errors
    return report


def facts() -> dict[str, Any]:
    """Processors, memory, virtualisation and Tang keys of this host."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": _memory_mib(),
        "virt_type": VIRT_TYPE.read_text(encoding="ascii").strip() if VIRT_TYPE.exists() else "",
        "ceph_admin": Path("/etc/ceph/ceph.client.admin.keyring").exists()
        and importlib.util.find_spec("rados") is not None,
        "tang": _tang_thumbprint(),
    }


def _memory_mib() -> int:
    """Installed memory, or the limit of the control group that this host runs in, whichever is smaller."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    total = int(lines["MemTotal"].split()[0]) // 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text(encoding="ascii").strip()).isdigit():
        return min(total, int(text) // MIB)
    return total


def _tang_thumbprint() -> str:
    """RFC 7638 thumbprint (SHA-256) of this host's Tang signing key, empty when it is no Tang server.

    Keys whose file name begins with a dot are retired and no longer advertised.
    """
    for path in sorted(TANG_KEYS.glob("[!.]*.jwk")):
        key = json.loads(path.read_text(encoding="ascii"))
        if "verify" in key.get("key_ops", []):
            canonical = json.dumps({k: key[k] for k in ("crv", "kty", "x", "y")}, separators=(",", ":"))
            return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
    return ""
