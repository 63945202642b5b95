"""Filters that turn a site's variables into what roles and modules take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wardstack.site.material import certificates_wanted, secrets_wanted
from wardstack.site.wiring import cluster_nodes, fencing_devices, host_bridges, host_entries, machine_connections


def present_values(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries whose value is defined and not empty."""
    return {key: value for key, value in mapping.items() if value}


class FilterModule:
    """Filters over the variables ``site`` and ``host_*``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "site_secrets": secrets_wanted,
            "site_certificates": certificates_wanted,
            "host_entries": host_entries,
            "host_bridges": host_bridges,
            "cluster_nodes": cluster_nodes,
            "fencing_devices": fencing_devices,
            "machine_connections": machine_connections,
            "present_values": present_values,
        }
