"""Run the product's own commands as a person would, and keep what they print."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
LAB = REPOSITORY / "inventories" / "lab"


@dataclass(frozen=True)
class Done:
    """A command that ended: exit status, what it printed, and seconds."""

    status: int
    output: str
    seconds: float


def run(*argv: str, timeout: float = 1800, **environment: str) -> Done:
    """Run a command in the repository; output and errors come back as one text."""
    started = time.monotonic()
    done = subprocess.run(
        argv,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Done(done.returncode, done.stdout, time.monotonic() - started)


def wardstack(*words: str, timeout: float = 1800) -> Done:
    """Run ``./wardstack`` with these words."""
    return run("./wardstack", *words, timeout=timeout)


def kill_when(words: list[str], said: str, log: Path, after_s: float, timeout: float = 900) -> bool:
    """Start ``./wardstack``, and kill -9 it and its children in the middle of a step.

    Args:
        words: of the command line.
        said: what its output holds when the step begins, as a line tells of a step when it is over.
        log: takes its output.
        after_s: how long after that, in seconds.
        timeout: how long to wait for ``said``, in seconds.

    Returns:
        Whether it was killed; False when it ended by itself before it said so.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["./wardstack", *words],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout
        while said not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        with suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
        killed = process.poll() is None
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return killed and said in log.read_text(errors="replace")


def eventually(question: str, check: object, timeout: float = 300, every: float = 2.0) -> None:
    """Wait until ``check()`` is true.

    Raises:
        AssertionError: It is not after ``timeout`` seconds; the message is the question.
    """
    assert callable(check)
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {question}"
        time.sleep(every)
