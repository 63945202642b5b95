"""Hardware addresses of the lab: always the same, and below those of VMs' ports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wardstack.lab.network import hardware_address

VM_PORT = "fe:54:00:00:00:00"
"""The lowest address that libvirt gives the host's side of a VM's interface."""


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_address_is_a_things_own_and_a_bridge_prefers_it_to_a_vms_port(name: str, other: str) -> None:
    address = hardware_address(name)
    assert address == hardware_address(name)
    assert (address == hardware_address(other)) == (name == other)
    octets = [int(octet, 16) for octet in address.split(":")]
    assert len(octets) == 6
    assert octets[0] & 0b11 == 0b10, "a single machine's address, given locally"
    assert address < VM_PORT
