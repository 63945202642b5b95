"""The blueprint: complete, the same bytes for the same documents, every resource with its clauses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wardstack.blueprint import Blueprint, ImageInfo, compile_blueprint, read_public_key
from wardstack.blueprint.compile import mac_address
from wardstack.blueprint.model import KINDS, HaRule, Image, Placement, Pool, Resource, StorageUser, Vm, Volume
from wardstack.site import Site, load_site

ROOT = Path(__file__).resolve().parents[4]
STANDARDS = ROOT / "docs" / "standards"
IMAGE = ImageInfo("/cache/archive-node.qcow2", "0" * 64)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHTest: #1 controller"


@pytest.fixture(scope="module")
def lab() -> Site:
    return load_site(ROOT / "inventories" / "lab", STANDARDS)


@pytest.fixture(scope="module")
def blueprint(lab: Site) -> Blueprint:
    return compile_blueprint(lab, IMAGE, KEY)


def test_the_same_documents_give_the_same_bytes(blueprint: Blueprint) -> None:
    again = compile_blueprint(load_site(ROOT / "inventories" / "lab", STANDARDS), IMAGE, KEY)
    assert again.to_json() == blueprint.to_json()
    assert again.digest() == blueprint.digest()


def test_every_resource_carries_existing_clauses(lab: Site, blueprint: Blueprint) -> None:
    for resource in blueprint.resources:
        assert resource.clauses, resource.id
        assert set(resource.clauses) <= set(lab.standards.clauses), resource.id


def test_resources_come_in_the_order_of_creation(blueprint: Blueprint) -> None:
    ranks = [KINDS.index(type(resource)) for resource in blueprint.resources]
    assert ranks == sorted(ranks)


def test_every_reference_is_met(blueprint: Blueprint) -> None:
    """STD-03.4: nothing that the cloud needs is outside of the blueprint."""
    ids = set(blueprint.by_id())
    for volume in blueprint.of(Volume):
        assert f"pool/{volume.pool}" in ids and (volume.image is None or f"image/{volume.image}" in ids)
    for vm in blueprint.of(Vm):
        assert {f"volume/{a.volume}" for a in vm.volumes} | {f"network/{n.network}" for n in vm.nics} <= ids
    for rule in blueprint.of(HaRule):
        assert f"vm/{rule.vm}" in ids
    for placement in blueprint.of(Placement):
        assert {f"vm/{name}" for name in placement.vms} <= ids
    for image in blueprint.of(Image):
        assert f"pool/{image.pool}" in ids


def test_pools_follow_the_storage_standard(blueprint: Blueprint) -> None:
    """STD-04.1, STD-04.2."""
    pools = {pool.name: pool for pool in blueprint.of(Pool)}
    assert {name: pool.application for name, pool in pools.items()} == {
        "vms": "rbd",
        "archive_metadata": "cephfs_metadata",
        "archive_data": "cephfs_data",
    }
    assert all((pool.replicas, pool.min_replicas, pool.failure_domain) == (3, 2, "host") for pool in pools.values())
    assert all(pool.pg_num & (pool.pg_num - 1) == 0 for pool in pools.values())


def test_storage_users_reach_their_own_only(blueprint: Blueprint) -> None:
    """STD-04.10."""
    caps = {user.name: user.caps for user in blueprint.of(StorageUser)}
    assert caps["client.libvirt"]["osd"] == "profile rbd pool=vms"
    assert caps["client.archive"]["osd"] == "allow rw tag cephfs data=archive"
    assert not any("allow *" in cap for user in caps.values() for cap in user.values())


def test_the_system_disk_is_encrypted_by_the_host_and_the_data_disk_by_the_node(blueprint: Blueprint) -> None:
    """STD-04.6."""
    volumes = {volume.name: volume for volume in blueprint.of(Volume)}
    assert (volumes["a1-system"].encryption, volumes["a1-system"].secret) == ("luks2", "volume_a1")
    assert (volumes["a1-data"].encryption, volumes["a1-data"].secret) == ("none", None)


def test_first_boot_documents_say_name_key_and_addresses(blueprint: Blueprint) -> None:
    """STD-03.6."""
    vm = blueprint.of(Vm)[0]
    user = yaml.safe_load(vm.user_data)
    assert vm.user_data.startswith("#cloud-config\n")
    assert (user["hostname"], user["fqdn"], user["ssh_authorized_keys"]) == ("a1", "a1.lab.wardstack.internal", [KEY])
    assert "passw" not in vm.user_data and user["ssh_pwauth"] is False
    network = yaml.safe_load(vm.network_config)
    assert {name: entry["addresses"] for name, entry in network["ethernets"].items()} == {
        "eth0": ["10.78.0.101/24"],
        "eth1": ["10.78.1.101/24"],
    }
    assert [entry["match"]["macaddress"] for entry in network["ethernets"].values()] == [nic.mac for nic in vm.nics]
    assert yaml.safe_load(vm.meta_data) == {"instance-id": vm.instance_id, "local-hostname": "a1"}


def test_there_is_one_default_route(blueprint: Blueprint) -> None:
    example = compile_blueprint(load_site(ROOT / "inventories" / "example-hospital", STANDARDS), IMAGE, KEY)
    for made, interface in ((blueprint, "eth0"), (example, "eth1")):
        network = yaml.safe_load(made.of(Vm)[0].network_config)
        routed = [name for name, entry in network["ethernets"].items() if "routes" in entry]
        assert routed == [interface]


def test_another_key_is_another_instance_and_nothing_else(lab: Site, blueprint: Blueprint) -> None:
    other = compile_blueprint(lab, IMAGE, "ssh-ed25519 OTHER")
    changed = {r.id for r in other.resources if r != blueprint.by_id()[r.id]}
    assert changed == {"vm/a1", "vm/a2", "vm/a3"}
    assert other.of(Vm)[0].instance_id != blueprint.of(Vm)[0].instance_id


def test_canonical_json_is_json_with_every_attribute(blueprint: Blueprint) -> None:
    document = json.loads(blueprint.to_json())
    assert [entry["id"] for entry in document["resources"]] == [r.id for r in blueprint.resources]
    vm = next(entry for entry in document["resources"] if entry["id"] == "vm/a1")
    assert vm["attributes"]["volumes"][0] == {"volume": "a1-system", "target": "vda"}


def test_two_resources_with_one_id_are_refused(blueprint: Blueprint) -> None:
    twice: tuple[Resource, ...] = (blueprint.resources[0], blueprint.resources[0])
    with pytest.raises(ValueError, match="same id"):
        Blueprint("lab", twice)


def test_a_site_without_a_key_yet_says_so(lab: Site) -> None:
    from dataclasses import replace

    with pytest.raises(FileNotFoundError):
        read_public_key(replace(lab, state_dir=Path("/nonexistent")))


@given(site=st.text(min_size=1, max_size=10), vm=st.text(min_size=1, max_size=10), network=st.text(max_size=10))
def test_mac_addresses_are_local_unicast_and_repeatable(site: str, vm: str, network: str) -> None:
    mac = mac_address(site, vm, network)
    assert mac == mac_address(site, vm, network)
    octets = [int(part, 16) for part in mac.split(":")]
    assert octets[:3] == [0x52, 0x54, 0x00] and len(octets) == 6


def test_mac_addresses_of_a_site_differ(blueprint: Blueprint) -> None:
    macs = [nic.mac for vm in blueprint.of(Vm) for nic in vm.nics]
    assert len(macs) == len(set(macs))
