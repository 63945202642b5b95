"""The monitors' configuration database: options that take effect without a restart."""

from __future__ import annotations

from .changes import Changes
from .cluster import Cluster
from .settings import Settings


def same(stored: str | None, wanted: str) -> bool:
    """Say whether two texts are the same value: Ceph stores 2 as 2.000000."""
    if stored is None:
        return False
    try:
        return float(stored) == float(wanted)
    except ValueError:
        return stored == wanted


def ensure(settings: Settings, changes: Changes, cluster: Cluster) -> None:
    """Set the options that differ; options that nobody asked for are left alone."""
    stored = {
        (entry["section"], entry["name"]): str(entry["value"])
        for entry in cluster.ask("config dump")
        if not entry.get("mask")
    }
    for who, options in settings.config.items():
        for name, wanted in options.items():
            now = stored.get((who, name))
            if not same(now, wanted) and changes.add(f"option {who}/{name}", now or "default", wanted):
                cluster.raw("config set", who=who, name=name, value=wanted)
