"""Read a site's inventory directory and the standards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from wardstack.site.model import ArchiveNode, Host, Network, Site


def load_site(inventory_dir: Path, standards_dir: Path) -> Site:
    """Read site.yml, hosts.yml and the standards."""
    std: dict[str, Any] = {}
    for path in sorted(standards_dir.glob("[0-9][0-9]-*.yml")):
        for clause in yaml.safe_load(path.read_text())["clauses"]:
            std.update({name: p["default"] for name, p in clause.get("parameters", {}).items()})
    raw = yaml.safe_load((inventory_dir / "site.yml").read_text())
    std.update(raw.get("parameters") or {})
    for key, default in (("parameters", {}), ("modalities", []), ("time_servers", []), ("mirrors", {})):
        raw.setdefault(key, default)
    del raw["plugin"]
    hosts = yaml.safe_load((inventory_dir / "hosts.yml").read_text())["hypervisors"]["hosts"]
    return Site(
        name=raw["site"],
        directory=inventory_dir,
        variables=raw,
        std=std,
        hosts=tuple(
            Host(n, h["ansible_host"], h["host_addresses"], h["host_domains"], h["host_bmc"]["address"], len(h["host_disks"]))
            for n, h in hosts.items()
        ),
        networks={n: Network(n, **v) for n, v in raw["networks"].items()},
        archive_nodes=tuple(ArchiveNode(n, a) for n, a in raw["archive"]["node_addresses"].items()),
    )
