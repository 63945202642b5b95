"""Commands, units and admin sockets of this host."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .settings import RUN, CephError

T = TypeVar("T")

LOCK = Path("/run/wardstack-ceph.lock")
_held: list[int] = []
"""Open lock of this run; commands inherit it, so that one that outlives a killed run still counts."""


@contextmanager
def only_one(wait_s: float) -> Iterator[None]:
    """Keep out any other run on this host, such as one whose controller was killed.

    Raises:
        CephError: another run does not end within ``wait_s`` seconds.
    """
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        wait_for("an earlier run on this host has ended", lambda: _try_lock(handle), wait_s)
        _held.append(handle)
        yield
    finally:
        _held.clear()
        os.close(handle)


def _try_lock(handle: int) -> bool | None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return True


def run(command: Sequence[str], *, env: dict[str, str] | None = None, timeout_s: float = 300) -> str:
    """Run a command and return its standard output.

    Raises:
        CephError: it failed or took too long; the message has the end of what it wrote.
    """
    try:
        done = subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            pass_fds=_held,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
        )
    except FileNotFoundError:
        raise CephError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CephError(f"`{' '.join(command[:4])} …` did not end within {timeout_s:.0f} s") from None
    if done.returncode != 0:
        told = (done.stderr.strip() or done.stdout.strip())[-1200:]
        raise CephError(f"`{' '.join(command[:4])} …` failed with {done.returncode}: {told}")
    return done.stdout


def wait_for(what: str, question: Callable[[], T | None], wait_s: float, hint: Callable[[], str] = str) -> T:
    """Ask until the answer is not None.

    Args:
        what: the state that is waited for, in words.
        question: asked until it returns something.
        wait_s: how long, in seconds.
        hint: asked when time is up, for the message.

    Raises:
        CephError: no answer within ``wait_s`` seconds.
    """
    end = time.monotonic() + wait_s
    pause = 0.1
    while True:
        answer = question()
        if answer is not None:
            return answer
        if time.monotonic() >= end:
            raise CephError("; ".join(filter(None, (f"{what}: not so after {wait_s:.0f} s", hint()))))
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def admin_socket(daemon: str, command: str, timeout_s: float = 5) -> dict[str, Any] | None:
    """Ask a daemon of this host through its admin socket, without starting Ceph's command line.

    The protocol is a JSON text ended by a zero byte, answered by a length (32 bits,
    big-endian) and a JSON text (Ceph, ``src/common/admin_socket.cc``).

    Args:
        daemon: e.g. ``mon.h1``.
        command: e.g. ``mon_status``.
        timeout_s: how long to wait for each part of the answer, in seconds.

    Returns:
        The answer, None when the daemon does not run or does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(timeout_s)
            channel.connect(str(RUN / f"ceph-{daemon}.asok"))
            channel.sendall(json.dumps({"prefix": command, "format": "json"}).encode() + b"\0")
            with channel.makefile("rb") as stream:
                (length,) = struct.unpack(">I", stream.read(4))
                answer = json.loads(stream.read(length))
    except (OSError, struct.error, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def unit_states(units: Sequence[str]) -> dict[str, tuple[bool, bool]]:
    """Return for each unit whether it is enabled and whether it runs."""
    states: dict[str, tuple[bool, bool]] = {}
    for unit in units:
        told = run(["systemctl", "show", "-p", "ActiveState,UnitFileState", unit])
        facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        # Units made from a template report no UnitFileState of their own before they are loaded; ask then.
        enabled = facts.get("UnitFileState") or _is_enabled(unit)
        states[unit] = (enabled == "enabled", facts.get("ActiveState") in ("active", "activating", "reloading"))
    return states


def _is_enabled(unit: str) -> str:
    done = subprocess.run(["systemctl", "is-enabled", unit], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def start_unit(unit: str) -> None:
    """Enable and start a unit, also one that gave up after too many failures."""
    subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)
    run(["systemctl", "enable", "--now", unit])


def last_words(unit: str) -> str:
    """Return the last lines that a unit wrote, for a message."""
    done = subprocess.run(
        ["journalctl", "-u", unit, "-n", "4", "-o", "cat", "--no-pager"], capture_output=True, text=True, check=False
    )
    return " | ".join(done.stdout.strip().splitlines())[-600:]


def package_version(package: str) -> str | None:
    """Return the installed version of a Debian package, None when it is not installed."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.match(r"ii\s*(\S+)", done.stdout)
    return found.group(1) if found else None


def give_to_ceph(path: Path, *, mode: int | None = None) -> None:
    """Make a path Ceph's own, without following a link."""
    account = pwd.getpwnam("ceph")
    os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    if mode is not None:
        path.chmod(mode)


@contextmanager
def making(target: Path) -> Iterator[Path]:
    """Build a daemon's folder beside its place and move it there when it is complete.

    A folder with its final name is therefore always whole; one left over by a
    run that was killed bears the other name and is made anew.
    """
    place = target.with_name(f".making-{target.name}")
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(mode=0o750)
    give_to_ceph(place)
    yield place
    os.sync()
    if target.exists():
        target.rmdir()  # only an empty folder goes; anything else raises
    place.rename(target)
