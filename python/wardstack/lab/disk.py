"""Disks of the lab's hosts: each an ext4 image on a loop device that can be made to die.

A failed disk answers every read and write with an error from that moment on,
also to processes that have it open (``FS_IOC_GOINGDOWN``, Linux
``include/uapi/linux/fs.h`` and ``fs/ext4/ioctl.c``). Restoring it gives the host
its disk back, with what was on it, when the host is next powered on.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path

from wardstack.lab.command import LabError, run

# _IOR('X', 125, __u32): make the file system fail; 2 is NOLOGFLUSH, the journal is not written.
GOING_DOWN = 0x8004587D
NO_LOG_FLUSH = 2


class LabDisk:
    """One disk: the image file, and the folder where this machine mounts it."""

    def __init__(self, image: Path) -> None:
        """Describe the disk; nothing is made."""
        self.image = image
        self.mount_point = image.with_suffix("")

    def attach(self, size_gib: int) -> None:
        """Make the image (sparse) where it is missing and mount it."""
        self.mount_point.mkdir(parents=True, exist_ok=True)
        if not self.image.exists():
            making = self.image.with_suffix(".new")
            making.unlink(missing_ok=True)
            with making.open("wb") as file:
                # Room for the host's file of `size_gib` and the file system's own tables.
                file.truncate(int(size_gib * 1.1 * 2**30))
            run(["mke2fs", "-qF", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1", str(making)])
            making.rename(self.image)
        if not self.mount_point.is_mount():
            run(["mount", "-o", "loop", str(self.image), str(self.mount_point)])

    def fail(self) -> None:
        """Make every access to the disk fail from now on."""
        if not self.mount_point.is_mount():
            raise LabError(f"{self.mount_point}: not mounted, the host has no such disk now")
        handle = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, GOING_DOWN, struct.pack("=I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def healthy(self) -> bool:
        """Say whether the disk can be written."""
        probe = self.mount_point / ".probe"
        try:
            probe.write_text("")
            probe.unlink()
        except OSError:
            return False
        return self.mount_point.is_mount()

    def detach(self, timeout: float = 20.0) -> None:
        """Unmount the disk; its content stays in the image.

        Returns when the kernel has let go of it: a failed file system that something
        still has mounted, such as a host that is about to be gone, would else be
        mounted again as it is, failed (seen).

        Raises:
            LabError: It is still in use after ``timeout`` seconds.
        """
        if self.mount_point.is_mount():
            run(["umount", str(self.mount_point)])
        deadline = time.monotonic() + timeout
        while run(["losetup", "--associated", str(self.image)]).strip():
            if time.monotonic() > deadline:
                raise LabError(f"{self.image}: still mounted by another process; is the host off?")
            time.sleep(0.05)
