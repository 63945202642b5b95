"""Cutting a multipart body into parts without touching them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardstack.archive.multipart import split


def body(parts: list[bytes], boundary: str, lengths: bool, preamble: bytes = b"") -> bytes:
    """A multipart body as a server writes it."""
    out = preamble
    for part in parts:
        length = f"Content-Length: {len(part)}\r\n" if lengths else ""
        out += f"--{boundary}\r\nContent-Type: application/dicom\r\n{length}\r\n".encode() + part + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans(), st.sampled_from([b"", b"preamble\r\n"]))
def test_parts_come_back_as_they_were(parts: list[bytes], lengths: bool, preamble: bytes) -> None:
    content_type = 'multipart/related; type="application/dicom"; boundary="b-7e1c-4f"'
    assert split(content_type, body(parts, "b-7e1c-4f", lengths, preamble)) == parts


def test_a_length_protects_a_part_that_contains_the_boundary() -> None:
    parts = [b"x\r\n--b--\r\ny"]
    assert split("multipart/related; boundary=b", body(parts, "b", lengths=True)) == parts


@pytest.mark.parametrize("cut", [5, 60, 90])
def test_a_cut_body_is_an_error(cut: int) -> None:
    whole = body([b"0123456789" * 3, b"x"], "b", lengths=False)
    with pytest.raises(ValueError, match=r"end|boundary"):
        split("multipart/related; boundary=b", whole[:cut])


def test_another_content_type_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a multipart answer"):
        split("application/json", b"{}")
