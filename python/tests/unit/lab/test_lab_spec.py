"""What the lab reads of an inventory, and what it refuses before anything is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wardstack.lab.command import LabError
from wardstack.lab.spec import LabSpec, read_spec

INVENTORIES = Path(__file__).resolve().parents[4] / "inventories"
Changed = Callable[..., LabSpec]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """Read an inventory of ours in which texts were replaced."""

    def read(name: str, **replacements: str) -> LabSpec:
        for file in ("site.yml", "hosts.yml"):
            text = (INVENTORIES / name / file).read_text()
            for old, new in (pair.split(" => ") for pair in replacements.values()):
                text = text.replace(old, new)
            (tmp_path / file).write_text(text)
        return read_spec(tmp_path)

    return read


def test_hosts_are_containers_unless_the_site_says_otherwise() -> None:
    assert read_spec(INVENTORIES / "lab").form == "container"
    assert read_spec(INVENTORIES / "lab-vm").form == "vm"


def test_both_forms_are_the_same_three_machines() -> None:
    container, vm = read_spec(INVENTORIES / "lab"), read_spec(INVENTORIES / "lab-vm")
    assert [host.name for host in vm.hosts] == [host.name for host in container.hosts] == ["h1", "h2", "h3"]
    for one, other in zip(container.hosts, vm.hosts, strict=True):
        assert [cable.address for cable in one.cables] == [cable.address for cable in other.cables]
        assert one.bmc_address == other.bmc_address


def test_an_installer_leaves_a_tagged_network_to_the_role() -> None:
    (host, *_) = read_spec(INVENTORIES / "lab-vm").hosts
    assert [cable.network for cable in host.cables] == ["cluster", "hospital"]
    assert [cable.network for cable in host.addressed()] == ["cluster"]


def test_every_member_of_a_bond_is_a_cable_but_one_has_the_address(changed: Changed) -> None:
    spec = changed("lab-vm", bond="host_interfaces: {cluster: eth0, => host_interfaces: {cluster: [eth0, eth2],")
    assert [cable.interface for cable in spec.hosts[0].cables] == ["eth0", "eth2", "eth1"]
    assert [cable.interface for cable in spec.hosts[0].addressed()] == ["eth0"]


def test_hosts_are_found_in_nested_groups(tmp_path: Path) -> None:
    shutil.copy(INVENTORIES / "lab" / "site.yml", tmp_path)
    lines = (INVENTORIES / "lab" / "hosts.yml").read_text().splitlines()
    nested = "\n".join(f"    {line}" for line in lines if not line.startswith(("---", "#")))
    (tmp_path / "hosts.yml").write_text(f"all:\n  children:\n{nested}\n")
    assert [host.name for host in read_spec(tmp_path).hosts] == ["h1", "h2", "h3"]


@pytest.mark.parametrize(
    ("inventory", "change", "said"),
    [
        ("lab", "lab: true => lab: false", "hospital's own site"),
        ("lab-vm", "lab_hosts: vm => lab_hosts: metal", "must be one of container, vm"),
        ("lab-vm", "lab_hosts: vm => lab_hosts: container", "network hospital has a VLAN"),
        ("lab", "kind: file => kind: device", "set `lab_hosts: vm` for devices"),
        ("lab-vm", "kind: device => kind: file", "/dev/disk/by-id/virtio-osd0"),
        ("lab-vm", "virtio-osd0 => virtio-osd1", "with the path /dev/disk/by-id/virtio-osd0"),
        ("lab-vm", ", size_gib: 8 => ", "the lab needs its size_gib"),
    ],
)
def test_what_the_lab_cannot_be_is_said(changed: Changed, inventory: str, change: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        changed(inventory, one=change)


def test_an_unknown_host_is_answered_with_those_that_exist() -> None:
    with pytest.raises(LabError, match="h9: no such host in the lab; its hosts are h1, h2, h3"):
        read_spec(INVENTORIES / "lab").host("h9")
