"""Running the host's own commands, and the one error that a person is meant to read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

Step = Callable[[str], None]


class AgentError(Exception):
    """Something a person can understand went wrong.

    Attributes:
        fix: what to do about it, empty when nobody knows.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


def run(command: list[str], stdin: bytes | None = None, timeout_s: float = 120, check: bool = True) -> str:
    """Run a command and return its standard output.

    Raises:
        AgentError: it is not installed, took too long, or failed (with its own last words).
    """
    environment = dict(os.environ, LC_ALL="C.UTF-8", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=timeout_s, check=False, env=environment
        )
    except FileNotFoundError:
        raise AgentError(f"{command[0]} is not installed", "Run the playbook site.yml on this host first") from None
    except subprocess.TimeoutExpired:
        raise AgentError(f"'{' '.join(command[:4])}' did not end within {timeout_s:.0f} s") from None
    if check and done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise AgentError(f"'{' '.join(command[:4])}' failed: {' '.join(words[-3:]) or done.returncode}")
    return done.stdout.decode(errors="replace")


def write(path: str | Path, content: bytes, mode: int) -> bool:
    """Write a file so that it is there wholly or not at all, also after a power cut.

    Returns:
        False when it already had this content and mode.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if target.read_bytes() == content and (target.stat().st_mode & 0o7777) == mode:
            return False
    except FileNotFoundError:
        pass
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.chmod(mode)
    temporary.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True
