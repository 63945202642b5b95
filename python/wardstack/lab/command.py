"""Run a system command and turn its failure into one readable message."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class LabError(RuntimeError):
    """Something the lab could not do; the text says what, where and what to do."""


def run(argv: Sequence[str], *, check: bool = True, timeout: float = 120.0) -> str:
    """Run ``argv`` and return its standard output.

    Args:
        argv: The command and its arguments.
        check: Raise when the command exits with another status than 0.
        timeout: Seconds after which the command is killed.

    Raises:
        LabError: The command is missing, failed (with ``check``) or took too long.
    """
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]}: command not found; run ./wardstack, which installs it") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)}: no answer within {timeout:.0f} s") from error
    if check and done.returncode != 0:
        detail = (done.stderr or done.stdout).strip().splitlines()
        last = detail[-1] if detail else "no message"
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {last}")
    return done.stdout
