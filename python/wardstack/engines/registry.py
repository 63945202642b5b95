"""Which engine a site has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wardstack.engines.base import EngineError, Problem
from wardstack.engines.libvirt import Connection, LibvirtEngine
from wardstack.site.model import Site

ENGINES = ("libvirt",)


def open_engine(site: Site, connections: Mapping[str, Mapping[str, Any]]) -> LibvirtEngine:
    """Open the engine that a site names.

    Args:
        site: a checked site.
        connections: machine → its Ansible connection variables, rendered.

    Raises:
        EngineError: the engine is unknown, or a host has no connection.
    """
    if site.engine not in ENGINES:
        known = ", ".join(ENGINES)
        raise EngineError(Problem("site.yml", f"engine {site.engine} cannot be driven yet", f"Engines are: {known}"))
    return LibvirtEngine.open(site, _connections(connections))


def _connections(variables: Mapping[str, Mapping[str, Any]]) -> Iterable[Connection]:
    return [Connection.from_variables(name, values) for name, values in variables.items()]
