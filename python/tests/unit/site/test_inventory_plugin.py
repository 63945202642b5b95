"""The inventory plugin, through Ansible itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


def _inventory(source: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(source), *arguments]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_hosts_groups_and_variables_reach_ansible() -> None:
    found: dict[str, Any] = json.loads(_inventory(ROOT / "inventories" / "example-hospital", "--list").stdout)
    assert found["ceph_mon"]["hosts"] == ["node1", "node2", "node3"]
    assert found["archive_nodes"]["hosts"] == ["a1", "a2", "a3"]
    node, archive = (found["_meta"]["hostvars"][name] for name in ("node1", "a2"))
    assert (node["host_bmc"]["port"], node["host_bmc"]["verify"]) == (443, True)
    assert found["_meta"]["hostvars"]["node3"]["host_bmc"]["verify"] is False
    assert node["std"]["storage_replicas"] == archive["std"]["storage_replicas"] == 3
    assert (archive["archive_node_index"], archive["ansible_become"]) == (2, True)


def test_a_refused_inventory_says_every_problem(inventory: Path) -> None:
    path = inventory / "site.yml"
    text = path.read_text(encoding="utf-8").replace("engine: libvirt", "engine: kvm").replace("aet: MR1", "aet: CT1")
    path.write_text(text, encoding="utf-8")
    result = _inventory(inventory, "--list")
    assert result.returncode != 0
    assert "engine is 'kvm'" in result.stderr and "two modalities have the AE title 'CT1'" in result.stderr
    assert "Traceback" not in result.stderr
