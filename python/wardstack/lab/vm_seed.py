"""What an installer would have put on a host's disk, packed for the initramfs of its first boot.

The kernel unpacks every ``newc`` archive that follows its initramfs
(``Documentation/driver-api/early-userspace/buffer-format.rst`` of Linux); the
script in :mod:`wardstack.lab.kernel` copies the files to the root file system.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from wardstack.lab.kernel import SEED


def pack(folder: Path) -> bytes:
    """Return a folder's files and folders as one ``newc`` archive, all owned by root.

    Modes are kept; links and special files are not expected and refused.

    Raises:
        ValueError: The folder holds something else than files and folders.
    """
    content = b"".join(_entry(number, *entry) for number, entry in enumerate(_entries(folder), start=1))
    return content + _entry(0, "TRAILER!!!", 0, b"")


def appended(initramfs: bytes, folder: Path) -> bytes:
    """Return an initramfs with a folder after it; the kernel finds an archive only at a multiple of four bytes."""
    return _padded(initramfs) + pack(folder)


def _entries(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    yield SEED, stat.S_IFDIR | 0o755, b""
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        name = f"{SEED}/{path.relative_to(folder)}"
        if stat.S_ISDIR(mode):
            yield name, mode, b""
        elif stat.S_ISREG(mode):
            yield name, mode, path.read_bytes()
        else:
            raise ValueError(f"{path}: neither file nor folder")


def _entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
