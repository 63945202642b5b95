"""Taking a multipart/related body apart (RFC 2046 5.1, RFC 2387).

The standard library's mail parser decodes and normalises; an archive's answer
must be compared byte for byte, so parts are cut out here untouched.
"""

from __future__ import annotations

from email.message import Message


def split(content_type: str, body: bytes) -> list[bytes]:
    """Return the contents of the parts of a multipart body.

    Args:
        content_type: Value of the Content-Type header, with the boundary.
        body: The body.

    Returns:
        The parts' contents without their headers.

    Raises:
        ValueError: It is not multipart, or it is cut off or malformed.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_maintype() != "multipart" or not isinstance(boundary, str):
        raise ValueError(f"not a multipart answer: {content_type!r}")
    # A delimiter belongs to the line break before it.
    delimiter = b"\r\n--" + boundary.encode()
    rest = b"\r\n" + body
    start = rest.find(delimiter)
    if start < 0:
        raise ValueError("the boundary does not occur in the answer")
    position = start + len(delimiter)
    parts: list[bytes] = []
    while not rest.startswith(b"--", position):
        head = rest.find(b"\r\n\r\n", position)
        if head < 0:
            raise ValueError("a part has no end of its headers")
        begin = head + 4
        end = _end(rest, begin, position, delimiter)
        parts.append(rest[begin:end])
        position = end + len(delimiter)
    return parts


def _end(rest: bytes, begin: int, position: int, delimiter: bytes) -> int:
    """Find a part's end: by its Content-Length if it has one, else by search."""
    for line in rest[position:begin].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            end = begin + int(value)
            if not rest.startswith(delimiter, end):
                raise ValueError("a part is not as long as it says")
            return end
    end = rest.find(delimiter, begin)
    if end < 0:
        raise ValueError("the last part has no end")
    return end
