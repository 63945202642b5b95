"""Takes one request from standard input, answers on standard output."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from . import ceph, cluster, host, rbd, virt
from .process import AgentError

OPERATIONS: dict[str, Callable[..., Any]] = {
    "observe": host.observe,
    "pool": ceph.pool,
    "pool_delete": ceph.pool_delete,
    "filesystem": ceph.filesystem,
    "filesystem_delete": ceph.filesystem_delete,
    "user": ceph.user,
    "user_key": ceph.user_key,
    "user_delete": ceph.user_delete,
    "image": rbd.image,
    "image_delete": rbd.image_delete,
    "volume": rbd.volume,
    "volume_grow": rbd.volume_grow,
    "volume_delete": rbd.volume_delete,
    "seed": rbd.seed,
    "network": virt.network,
    "network_delete": virt.network_delete,
    "ceph_secret": virt.ceph_secret,
    "seal": virt.seal,
    "unlock": virt.unlock,
    "unlock_delete": virt.unlock_delete,
    "vm_file": virt.vm_file,
    "vm_delete": virt.vm_delete,
    "guest_ready": virt.guest_ready,
    "block_resize": virt.block_resize,
    "cib": cluster.change,
    "started": cluster.started,
    "restart": cluster.restart,
    "remove": cluster.remove,
    "move": cluster.move,
    "standby": cluster.standby,
    "where": cluster.where,
}
"""Every request, by name. The functions take the request's arguments as keywords."""


def main(arguments: dict[str, Any]) -> int:
    """Answer one request.

    Returns:
        0 when a result was given, 1 when an error was.
    """

    def step(text: str) -> None:
        _say({"step": text})

    name = arguments.pop("op")
    try:
        result = OPERATIONS[name](step=step, **arguments)
    except AgentError as error:
        _say({"error": str(error), "fix": error.fix})
        return 1
    except Exception as error:  # the other end can show it, this one can not
        _say({"error": f"{name} failed: {type(error).__name__}: {error}", "fix": "", "trace": traceback.format_exc()})
        return 1
    _say({"result": result})
    return 0


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, sort_keys=True) + "\n")
    sys.stdout.flush()
