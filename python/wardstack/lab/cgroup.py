"""Control groups as the lab's handle on processes.

A host of the lab is a control group: it runs while the group has processes, a
power cut kills them all, and tear-down finds them after any crash. Works on
machines with the unified hierarchy and on those with the legacy ones, with or
without systemd.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from wardstack.lab.command import LabError

PREFIX = "ws-"


@cache
def hierarchies() -> tuple[Path, ...]:
    """Return the mount points of the hierarchies in which every host gets a group.

    The named systemd hierarchy must be among them where it exists: without a
    group of its own each container's systemd would manage (and kill) the
    processes of the others (measured).
    """
    found = used_hierarchies(Path("/proc/mounts").read_text())
    if not found:
        raise LabError("no cgroup hierarchy is mounted on this machine; mount /sys/fs/cgroup")
    return found


def used_hierarchies(mounts: str) -> tuple[Path, ...]:
    """Return the mount points of those hierarchies, from the text of ``/proc/mounts``."""
    found: list[Path] = []
    for line in mounts.splitlines():
        _, where, kind, options, *_ = line.split()
        wanted = "name=systemd" in options or set(options.split(",")) & {"memory", "freezer", "cpuacct"}
        if kind == "cgroup2" or (kind == "cgroup" and wanted):
            found.append(Path(where))
    return tuple(found)


class Group:
    """One named control group in every hierarchy."""

    def __init__(self, name: str) -> None:
        """Remember the name; ``PREFIX`` is put before it."""
        self.name = PREFIX + name

    def _folders(self) -> list[Path]:
        return [mount / self.name for mount in hierarchies()]

    def create(self) -> None:
        """Make the group where it is missing."""
        for folder in self._folders():
            folder.mkdir(exist_ok=True)

    def spawn(self, argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """Start a long-running command in the group, detached, its output appended to ``log``.

        A shell moves itself into the group before it becomes the command: the caller
        may have threads, so nothing of Python may run between fork and exec.
        """
        self.create()
        enter = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'
        folders = [str(folder) for folder in self._folders()]
        with log.open("ab") as output:
            started = subprocess.Popen(
                ["sh", "-c", enter, "sh", *folders, "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **environment},
            )
        # Whoever asks next must see it: power buttons decide by what is in the group.
        while not self.alive() and started.poll() is None:
            time.sleep(0.005)

    def pids(self) -> set[int]:
        """Return every process in the group and below it.

        The systemd of a host makes and removes groups all the time: one that is gone
        before it was read is left out (`os.walk` does so, `Path.rglob` raises).
        """
        found: set[int] = set()
        for folder in self._folders():
            for path, _, _ in os.walk(folder):
                with suppress(OSError):
                    found.update(int(pid) for pid in Path(path, "cgroup.procs").read_text().split())
        return found

    def alive(self) -> bool:
        """Say whether any process is left in the group."""
        return bool(self.pids())

    def kill(self, timeout: float = 20.0) -> None:
        """Kill every process at once, as a power cut does, and wait until they are gone."""
        deadline = time.monotonic() + timeout
        while pids := self.pids():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: processes {sorted(pids)[:5]} do not die")
            time.sleep(0.02)

    def remove(self) -> None:
        """Kill what runs in the group and remove it."""
        self.kill()
        for folder in self._folders():
            for path, _, _ in os.walk(folder, topdown=False):
                with suppress(OSError):
                    Path(path).rmdir()

    def peak_memory(self) -> int | None:
        """Return the highest memory use so far in bytes, or None where it is not counted."""
        for folder in self._folders():
            for name in ("memory.max_usage_in_bytes", "memory.peak"):
                with suppress(OSError, ValueError):
                    return int((folder / name).read_text())
        return None


def leftovers(kind: str) -> list[str]:
    """Return the names (without prefix) of groups that begin with ``kind``."""
    start = PREFIX + kind
    return sorted({p.name[len(PREFIX) :] for m in hierarchies() for p in m.glob(start + "*") if p.is_dir()})
