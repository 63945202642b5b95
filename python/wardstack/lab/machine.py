"""What both forms of a lab host, container and full VM, offer to the machine room."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wardstack.lab.cgroup import Group


@dataclass(frozen=True)
class Slot:
    """A disk as it is plugged into a machine.

    ``folder`` is the folder of this machine that holds the disk's content, ``path``
    where the host sees it.
    """

    name: str
    folder: Path
    path: str
    size_gib: int


class Machine(Protocol):
    """A machine with a power button. Its folder keeps its disks through power cuts."""

    @property
    def name(self) -> str:
        """The machine's name."""

    @property
    def folder(self) -> Path:
        """Where this machine keeps what the host is made of; ``console`` in it is its console's output."""

    @property
    def root(self) -> Path:
        """The folder into which an installer writes what the host finds on its disk at its first boot."""

    @property
    def group(self) -> Group:
        """The control group that all its processes are in."""

    def prepare(self) -> None:
        """Make the machine's disk and :attr:`root`; what exists is kept."""

    def running(self) -> bool:
        """Say whether the machine is powered on."""

    def start(self, slots: tuple[Slot, ...] = ()) -> None:
        """Power on; a running machine is left alone."""

    def cut_power(self) -> None:
        """Cut the power: nothing that the host has not written to its disks is kept."""

    def destroy(self) -> None:
        """Cut the power and forget the machine with everything it wrote."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a machine's lock, so that two power buttons never start it twice."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
