"""The canonical encoding of a data set: one value, one sequence of bytes.

DICOM lets the same data set be written in several ways: sequences and items
with explicit or undefined length, with or without group lengths (PS3.5 7.2,
7.5). A server that parses and writes again (Orthanc does, through DCMTK, for
C-STORE) may choose another of them. Comparing canonical encodings tells such
a re-encoding, which loses nothing, from a changed value, which does.
"""

from __future__ import annotations

import hashlib
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID


def canonical_digest(data: bytes, transfer_syntax: str) -> str:
    """Return the SHA-256 of a data set's canonical encoding, hexadecimal.

    Canonical: sequences and items with explicit length, no group lengths, no
    trailing padding (FFFC,FFFC); element values exactly as they are.

    Args:
        data: The encoded data set, without file meta header.
        transfer_syntax: Its transfer syntax UID.

    Returns:
        64 hexadecimal digits.
    """
    syntax = UID(transfer_syntax)
    dataset = dcmread(
        BytesIO(_meta(syntax) + data),
        force=True,
    )
    _normalise(dataset)
    buffer = DicomBytesIO()
    buffer.is_little_endian = syntax.is_little_endian
    buffer.is_implicit_VR = syntax.is_implicit_VR
    write_dataset(buffer, dataset)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _meta(syntax: UID) -> bytes:
    """The shortest header that makes a reader use a transfer syntax."""
    value = str(syntax).encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    group = b"\x02\x00\x00\x00UL\x04\x00" + len(element).to_bytes(4, "little")
    return b"\0" * 128 + b"DICM" + group + element


def _normalise(dataset: Dataset) -> None:
    for tag in list(dataset.keys()):
        if tag.element == 0 or tag == 0xFFFCFFFC:
            del dataset[tag]
            continue
        element = dataset.get_item(tag)
        if element is not None and element.VR == "SQ":
            sequence = dataset[tag]
            sequence.is_undefined_length = False
            for item in sequence.value:
                item.is_undefined_length_sequence_item = False
                _normalise(item)
