"""Tags of IEEE 802.1Q, put on and taken off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wardstack.lab.access_port import tag, untag

FRAMES = st.binary(min_size=14, max_size=1514)
VLANS = st.integers(1, 4094)


@given(FRAMES, VLANS)
def test_a_tag_comes_off_as_it_was_put_on(frame: bytes, vlan: int) -> None:
    assert untag(tag(frame, vlan), vlan) == frame


@given(FRAMES, VLANS, VLANS)
def test_a_frame_of_another_vlan_does_not_pass(frame: bytes, vlan: int, other: int) -> None:
    assert (untag(tag(frame, vlan), other) is None) == (vlan != other)


def test_the_priority_of_a_frame_is_no_part_of_its_vlan() -> None:
    frame = bytes(12) + b"\x81\x00" + bytes([0b1110_0000, 20]) + b"\x08\x00payload"
    assert untag(frame, 20) == bytes(12) + b"\x08\x00payload"


def test_an_untagged_frame_does_not_pass() -> None:
    assert untag(bytes(12) + b"\x08\x00" + bytes(46), 20) is None


def test_the_tag_stands_after_the_addresses() -> None:
    assert tag(b"ddddddssssss\x08\x00x", 20) == b"ddddddssssss\x81\x00\x00\x14\x08\x00x"
