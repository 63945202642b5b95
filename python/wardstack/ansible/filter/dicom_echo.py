"""Ansible filter: the bytes of a C-ECHO, for a health check that speaks DICOM without a DICOM library.

PDUs by DICOM PS3.8 section 9.3, the C-ECHO message by PS3.7 section 9.3.5 and annex E.
"""

from __future__ import annotations

import struct
from typing import Any

VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2"
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
# Any UID below 2.25 is valid without registration (PS3.5 B.2).
IMPLEMENTATION = b"2.25.316208370214017216031404230017283614"


def _title(aet: str) -> bytes:
    encoded = aet.encode("ascii")
    if not 1 <= len(encoded) <= 16:
        raise ValueError(f"{aet!r} is not an application entity title (1 to 16 characters)")
    return encoded.ljust(16)


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(content)) + content


def _element(tag: int, value: bytes) -> bytes:
    """Return one command element (group 0000) in implicit little endian."""
    return struct.pack("<HHI", 0, tag, len(value)) + value


def associate_request(called: str, calling: str) -> bytes:
    """Return an A-ASSOCIATE-RQ that proposes verification in implicit little endian."""
    presentation = b"\x01\x00\x00\x00" + _item(0x30, VERIFICATION) + _item(0x40, IMPLICIT_LITTLE_ENDIAN)
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, IMPLEMENTATION)
    items = _item(0x10, APPLICATION_CONTEXT) + _item(0x20, presentation) + _item(0x50, user)
    return _pdu(0x01, struct.pack(">HH", 1, 0) + _title(called) + _title(calling) + bytes(32) + items)


def echo_request() -> bytes:
    """Return a P-DATA-TF with a C-ECHO-RQ, message 1, in presentation context 1."""
    command = _element(0x0002, VERIFICATION + b"\0") + _element(0x0100, struct.pack("<H", 0x0030))
    command += _element(0x0110, struct.pack("<H", 1)) + _element(0x0800, struct.pack("<H", 0x0101))
    command = _element(0x0000, struct.pack("<I", len(command))) + command
    fragment = b"\x01\x03" + command
    return _pdu(0x04, struct.pack(">I", len(fragment)) + fragment)


def dicom_echo(called: str, calling: str) -> dict[str, str]:
    """Return what to send, and what the answers must hold, as hexadecimal text.

    Args:
        called: AE title of the archive.
        calling: AE title of the health check.

    Returns:
        ``associate``, ``echo``, ``release`` to send; ``accepted`` (presentation context 1 accepted),
        ``echoed`` (C-ECHO-RSP with status 0x0000) and ``released``, each a part of the answer.
    """
    return {
        "associate": associate_request(called, calling).hex(),
        # Item 21H, length, context 1, reserved, result 0 (acceptance), reserved, transfer syntax item.
        "accepted": (_item(0x21, b"\x01\x00\x00\x00" + _item(0x40, IMPLICIT_LITTLE_ENDIAN))).hex(),
        "echo": echo_request().hex(),
        "echoed": _element(0x0900, b"\0\0").hex(),
        "release": _pdu(0x05, bytes(4)).hex(),
        "released": _pdu(0x06, bytes(4)).hex(),
    }


class FilterModule:
    """What Ansible asks of a filter plugin."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"dicom_echo": dicom_echo}
