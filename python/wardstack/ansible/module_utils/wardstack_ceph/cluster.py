"""Questions and orders to the monitors, through librados: one connection for a whole run."""

from __future__ import annotations

import json
import socket
from typing import Any

from .settings import ADMIN_KEYRING, CONFIGURATION, MONITOR_PORT, CephError, Settings

NOT_FOUND = -2
"""``-ENOENT``: the monitors know no such thing."""


class Refused(CephError):
    """The monitors answered with an error.

    Attributes:
        code: negative errno.
    """

    def __init__(self, command: str, code: int, text: str) -> None:
        """Describe the refusal."""
        super().__init__(f"`ceph {command}` was refused ({code}): {text}")
        self.code = code


class Cluster:
    """An open connection as ``client.admin``."""

    def __init__(self, handle: Any) -> None:
        """Take over a connected ``rados.Rados``."""
        self._handle = handle

    def raw(self, prefix: str, data: bytes = b"", **arguments: Any) -> bytes:
        """Send a command and return the answer's bytes.

        Raises:
            Refused: the monitors answered with an error.
        """
        order = json.dumps({"prefix": prefix, **arguments})
        code, answer, status = self._handle.mon_command(order, data, timeout=30)
        if code < 0:
            raise Refused(prefix, code, status)
        return bytes(answer)

    def ask(self, prefix: str, data: bytes = b"", **arguments: Any) -> Any:
        """Send a command and return its answer as JSON data (None when it is empty)."""
        answer = self.raw(prefix, data, format="json", **arguments)
        return json.loads(answer) if answer.strip() else None

    def key_of(self, entity: str) -> str | None:
        """Return the key that the monitors hold for an entity, None when they know none."""
        try:
            return str(self.ask("auth get-key", entity=entity)["key"])
        except Refused as error:
            if error.code == NOT_FOUND:
                return None
            raise


def answering(settings: Settings, timeout_s: float = 1.0) -> list[str]:
    """Return the monitors that accept a connection, this host's own apart."""
    found: list[str] = []
    for name, address in settings.monitors.items():
        if name == settings.host:
            continue
        try:
            socket.create_connection((address, MONITOR_PORT), timeout=timeout_s).close()
        except OSError:
            continue
        found.append(name)
    return found


def connect(timeout_s: int) -> Cluster | None:
    """Connect to the monitors' quorum.

    Returns:
        The connection, None when there is no quorum within ``timeout_s`` seconds, or Ceph is not set up here.

    Raises:
        CephError: the monitors do not accept the key of this host.
    """
    if not (CONFIGURATION.exists() and ADMIN_KEYRING.exists()):
        return None
    try:
        import rados  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    handle = rados.Rados(
        conffile=str(CONFIGURATION),
        rados_id="admin",
        conf={"keyring": str(ADMIN_KEYRING), "client_mount_timeout": str(timeout_s), "rados_mon_op_timeout": "30"},
    )
    try:
        handle.connect()
    except (rados.PermissionDeniedError, rados.PermissionError) as error:
        raise CephError(
            f"the monitors do not accept the key in {ADMIN_KEYRING} ({error}): if the key of client.admin was changed, "
            "write the new one into this file"
        ) from None
    except rados.Error:
        handle.shutdown()
        return None
    return Cluster(handle)
