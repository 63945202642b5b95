"""The availability cluster's configuration: only what differs changes (STD-05.2, STD-09.5)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from wardstack.ansible.module_utils.wardstack_cluster import cib, corosync

PROPERTIES = {"stonith-enabled": "true", "no-quorum-policy": "stop"}
DEFAULTS = {"resource-stickiness": "100"}


def device(host: str, **changes: Any) -> dict[str, Any]:
    plain = {"host": host, "address": "10.78.0.21", "port": 443, "user": "fence", "action": "off", "verify": True}
    return plain | {"system": "/redfish/v1/Systems/1"} | changes


def configuration(*devices: dict[str, Any], extra: str = "") -> ET.Element:
    resources = "".join(cib.device_xml(d) for d in devices) + extra
    constraints = "".join(cib.location_xml(d["host"]) for d in devices)
    return ET.fromstring(
        "<configuration><crm_config><cluster_property_set id='a'>"
        "<nvpair id='a1' name='stonith-enabled' value='true'/><nvpair id='a2' name='no-quorum-policy' value='stop'/>"
        "<nvpair id='a3' name='have-watchdog' value='false'/></cluster_property_set></crm_config>"
        f"<resources>{resources}</resources><constraints>{constraints}</constraints>"
        "<rsc_defaults><meta_attributes id='b'><nvpair id='b1' name='resource-stickiness' value='100'/>"
        "</meta_attributes></rsc_defaults></configuration>"
    )


def what(found: list[cib.Change]) -> list[str]:
    return [change.what for change in found]


def test_fencing_is_switched_on_after_its_devices_are_there() -> None:
    found = cib.changes(ET.Element("configuration"), PROPERTIES, DEFAULTS, [device("h1")])
    assert what(found) == [
        "crm_config no-quorum-policy",
        "rsc_defaults resource-stickiness",
        "fence-h1",
        "fence-h1 place",
        "crm_config stonith-enabled",
    ]
    assert all("--create" in change.command for change in found if change.what.startswith("fence-"))


def test_a_cluster_as_wanted_is_left_alone() -> None:
    vm = "<primitive id='vm-a1' class='ocf' provider='heartbeat' type='VirtualDomain'/>"
    assert cib.changes(configuration(device("h1"), extra=vm), PROPERTIES, DEFAULTS, [device("h1")]) == []


def test_a_changed_device_is_replaced_and_shown() -> None:
    (change,) = cib.changes(configuration(device("h1")), PROPERTIES, DEFAULTS, [device("h1", address="10.78.0.99")])
    assert "--replace" in change.command
    assert "ip=10.78.0.21" in change.before and "ip=10.78.0.99" in change.after


def test_the_device_of_a_host_that_left_goes_with_its_rule() -> None:
    found = cib.changes(configuration(device("h1"), device("h2")), PROPERTIES, DEFAULTS, [device("h1")])
    assert what(found) == ["fence-h2 elsewhere", "fence-h2"]


def test_somebody_elses_fence_device_stays() -> None:
    other = "<primitive id='fence-pdu' class='ocf' provider='x' type='y'/>"
    assert cib.changes(configuration(device("h1"), extra=other), PROPERTIES, DEFAULTS, [device("h1")]) == []


def test_a_password_is_never_in_the_configuration() -> None:
    assert "password_script" in cib.device_xml(device("h1")) and 'name="password"' not in cib.device_xml(device("h1"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([device("h1"), device("h1")], "two BMCs"),
        ([device("h1", system="Systems/1")], "is not a path"),
        ([device("h1'/>")], "not a name"),
    ],
)
def test_a_wrong_device_is_refused(wrong: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(cib.ClusterError, match=message):
        cib.check(wrong)


CONF = """
totem {
  token: 2000
  crypto_cipher: aes256
}
nodelist {
  node {
    name: h1
    nodeid: 11
    ring0_addr: 10.78.0.11
  }
  node {
    name: h2
    nodeid: 12
    ring0_addr: 10.78.0.12
  }
}
"""
MAP = """nodelist.node.0.name (str) = h2
nodelist.node.0.nodeid (u32) = 12
nodelist.node.0.ring0_addr (str) = 10.78.0.12
nodelist.node.1.name (str) = h1
nodelist.node.1.nodeid (u32) = 11
nodelist.node.1.ring0_addr (str) = 10.78.0.11
totem.token (u32) = 2000
totem.crypto_cipher (str) = aes256
"""


def test_a_running_corosync_that_knows_its_file_is_not_disturbed() -> None:
    assert corosync.must_reload(corosync.parse(CONF), corosync.parse_map(MAP)) == ""


def test_a_new_member_asks_for_a_reload() -> None:
    fewer = "\n".join(line for line in MAP.splitlines() if ".node.0." not in line)
    assert corosync.must_reload(corosync.parse(CONF), corosync.parse_map(fewer)) == "members: h1, h2"


def test_a_changed_token_asks_for_a_reload() -> None:
    live = corosync.parse_map(MAP.replace("2000", "3000"))
    assert corosync.must_reload(corosync.parse(CONF), live) == "totem.token: 2000"
