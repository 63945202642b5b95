"""Bridges of a host as files of systemd-networkd (STD-02.1, STD-02.5)."""

from __future__ import annotations

from typing import Any

import pytest

from wardstack.ansible.module_utils.wardstack_network.render import NetworkError, check, devices, files

HOST = {"eno1", "eno2"}


def bridge(**changes: Any) -> dict[str, Any]:
    plain = {
        "name": "br-cluster",
        "interfaces": ["eno1"],
        "address": "10.78.0.11/24",
        "gateway": "",
        "vlan": 0,
        "bond": "",
    }
    return plain | changes


def test_one_interface_becomes_port_of_a_bridge_that_has_the_address() -> None:
    found = files([bridge(gateway="10.78.0.1")], 1500, ["10.78.0.2"])
    assert sorted(found) == [
        "05-wardstack-br-cluster.netdev",
        "05-wardstack-br-cluster.network",
        "05-wardstack-eno1.network",
    ]
    assert "Bridge=br-cluster\n" in found["05-wardstack-eno1.network"]
    assert "Address=" not in found["05-wardstack-eno1.network"]
    upper = found["05-wardstack-br-cluster.network"]
    assert "Address=10.78.0.11/24\nGateway=10.78.0.1\nDNS=10.78.0.2\n" in upper
    assert "STP=no\nForwardDelaySec=0\n" in found["05-wardstack-br-cluster.netdev"]


def test_two_networks_share_a_bond_by_vlans() -> None:
    both = [
        bridge(interfaces=["eno1", "eno2"], bond="802.3ad", vlan=10),
        bridge(name="br-hospital", interfaces=["eno1", "eno2"], bond="802.3ad", vlan=20, address="10.78.1.11/24"),
    ]
    check(both, 9000, HOST)
    found = devices(both)
    assert list(found) == ["eno1", "eno2", "bond-eno1", "bond-eno1.10", "br-cluster", "bond-eno1.20", "br-hospital"]
    assert found["bond-eno1"].vlans == ["bond-eno1.10", "bond-eno1.20"]
    assert found["eno2"].bond == "bond-eno1"
    texts = files(both, 9000, [])
    assert "Mode=802.3ad" in texts["05-wardstack-bond-eno1.netdev"]
    assert "VLAN=bond-eno1.10\nVLAN=bond-eno1.20\n" in texts["05-wardstack-bond-eno1.network"]
    assert "Id=20" in texts["05-wardstack-bond-eno1.20.netdev"]
    assert all("MTUBytes=9000" in text for name, text in texts.items() if name.endswith(".netdev"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([bridge(interfaces=["eno9"])], "has no interface eno9; it has eno1, eno2"),
        ([bridge(interfaces=["eno1", "eno2"])], "need a bond"),
        ([bridge(interfaces=[])], "has no interface"),
        ([bridge(bond="balance-rr", interfaces=["eno1", "eno2"])], "is not one of"),
        ([bridge(vlan=4095)], "is not 1 to 4094"),
        ([bridge(address="10.78.0.11")], "no prefix length"),
        ([bridge(address="10.78.0.311/24")], "10.78.0.311"),
        ([bridge(gateway="10.78.1.1")], "is not in the network"),
        ([bridge(name="a-name-that-is-too-long")], "is not a name"),
        ([bridge(), bridge()], "named twice"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        check(wrong, 1500, HOST)


def test_two_untagged_networks_on_one_interface_are_refused() -> None:
    with pytest.raises(NetworkError, match="already in br-cluster"):
        devices([bridge(), bridge(name="br-hospital")])


def test_an_mtu_that_ipv6_cannot_use_is_refused() -> None:
    with pytest.raises(NetworkError, match="MTU"):
        check([bridge()], 1000, HOST)
