"""From the site's inventory to arguments of roles, secrets and certificates."""

from __future__ import annotations

from typing import Any

from wardstack.site.material import certificates_wanted, secrets_wanted
from wardstack.site.wiring import cluster_nodes, fencing_devices, host_bridges, host_entries, machine_connections

ADDRESSES = {
    "h1": {"cluster": "10.78.0.11", "hospital": "10.78.1.11"},
    "h2": {"cluster": "10.78.0.12", "hospital": "10.78.1.12"},
}
BMCS = {"h1": {"address": "10.78.0.21", "user": "fence"}}
SITE: dict[str, Any] = {
    "domain": "lab.internal",
    "lab": True,
    "archive": {"node_addresses": {"a1": {"cluster": "10.78.0.101"}}, "floating_address": "10.78.1.100"},
    "modalities": [{"aet": "CT1"}],
}


def test_a_machine_is_known_by_its_name_on_the_cluster_network() -> None:
    assert host_entries({"h1": ADDRESSES["h1"]}, "x.org") == [
        {"address": "10.78.0.11", "names": ["h1.x.org", "h1"]},
        {"address": "10.78.1.11", "names": ["h1-hospital.x.org", "h1-hospital"]},
    ]


def test_bridges_follow_networks_bonds_and_vlans() -> None:
    networks: dict[str, dict[str, Any]] = {
        "cluster": {"cidr": "10.78.0.0/24", "bridge": "br-c", "gateway": "10.78.0.1", "vlan": None, "bond": None},
        "hospital": {
            "cidr": "10.78.1.0/25",
            "bridge": "br-h",
            "gateway": None,
            "vlan": 20,
            "bond": {"mode": "802.3ad"},
        },
    }
    found = host_bridges(networks, {"cluster": "eno1", "hospital": ["eno2", "eno3"]}, ADDRESSES["h1"])
    plain = {
        "name": "br-c",
        "interfaces": ["eno1"],
        "address": "10.78.0.11/24",
        "gateway": "10.78.0.1",
        "vlan": 0,
        "bond": "",
    }
    assert found[0] == plain
    assert found[1]["interfaces"] == ["eno2", "eno3"]
    assert (found[1]["address"], found[1]["vlan"], found[1]["bond"]) == ("10.78.1.11/25", 20, "802.3ad")


def test_a_members_number_does_not_depend_on_other_hosts() -> None:
    both, one = cluster_nodes(ADDRESSES, ["cluster"]), cluster_nodes({"h2": ADDRESSES["h2"]}, ["cluster"])
    assert both[1] == one[0]
    assert len({node["id"] for node in both}) == 2


def test_every_secret_is_wanted_once_and_a_real_bmcs_is_given() -> None:
    names = [secret["name"] for secret in secrets_wanted(SITE, BMCS)]
    assert len(names) == len(set(names))
    assert {"bmc_h1", "volume_a1", "objects_key", "corosync_authkey", "ceph_seed"} <= set(names)
    assert secrets_wanted(SITE | {"lab": False}, BMCS)[0] == {"name": "bmc_h1", "kind": "given", "size": 24}


def test_every_archive_node_may_hold_the_floating_address() -> None:
    found: dict[Any, Any] = {entry["name"]: entry for entry in certificates_wanted(SITE, ADDRESSES, BMCS)}
    assert list(found) == ["h1", "h2", "a1", "bmc_h1", "modality_CT1", "verify"]
    assert "10.78.1.100" in found["a1"]["ip"] and "archive.lab.internal" in found["a1"]["dns"]
    assert found["modality_CT1"]["common_name"] == "CT1" and not found["modality_CT1"]["server"]
    assert not found["bmc_h1"]["client"]


def test_fence_devices_have_defaults_and_their_own_passwords() -> None:
    (found,) = fencing_devices(BMCS, {"h1": "secret"})
    assert (found["port"], found["system"], found["verify"]) == (443, "/redfish/v1/Systems/1", True)
    assert found["password"] == "secret"


def test_connections_hold_only_what_is_known() -> None:
    assert machine_connections({"h1": {"ansible_host": "10.78.0.11", "x": 1}}, ["h1"]) == {
        "h1": {"ansible_host": "10.78.0.11"}
    }
