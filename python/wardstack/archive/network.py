"""Running the clients inside another network namespace, as a process of its own.

A thread could change its namespace, but not undo it for the threads that a
library started meanwhile; a process that is born inside has no such doubts.
What has to happen outside (a live migration, the display of progress) stays
with the parent: parent and child exchange lines of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from wardstack.archive.config import VerifyConfig

#: The package's parent, so that a child finds the package wherever it is run from.
_ROOT = Path(__file__).resolve().parents[2]


class ChildError(Exception):
    """The process in the namespace did not come to a result."""


def outside(netns: str) -> bool:
    """Tell whether a namespace is meant that this process is not in.

    Args:
        netns: A namespace's file, or empty for whatever this process is in.

    Raises:
        FileNotFoundError: There is no such namespace.
    """
    if not netns:
        return False
    return not Path(netns).samefile("/proc/self/ns/net")


def call(
    task: str,
    config: VerifyConfig,
    during: Callable[[], Mapping[str, Any]] | None,
    progress: Callable[[str, int, int], None],
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Carry out a task inside the configuration's namespace.

    Args:
        task: ``verify`` or ``benchmark``.
        config: Passed on through standard input: it holds a password.
        during: Called in this process when the child asks for it.
        progress: Called in this process.
        options: Further arguments of the task.

    Returns:
        The report as plain data.

    Raises:
        ChildError: The child failed; the message is the child's.
        Exception: What ``during`` raised, after the child has ended.
    """
    command = ["nsenter", f"--net={config.netns}", sys.executable, "-m", "wardstack.archive", task]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT
    ) as child:
        assert child.stdin and child.stdout and child.stderr
        try:
            _say(child.stdin, {"config": config.to_json(), "during": during is not None, **(options or {})})
            report = _listen(child.stdin, child.stdout, during, progress)
        except BaseException:
            child.kill()
            raise
        # Standard error is small: the child reports its errors as JSON.
        text = child.stderr.read()
    if report is None:
        raise ChildError(f"{task} in {config.netns} ended with {child.returncode}: {text.strip()[-2000:]}")
    return report


def _listen(
    stdin: IO[str],
    stdout: IO[str],
    during: Callable[[], Mapping[str, Any]] | None,
    progress: Callable[[str, int, int], None],
) -> dict[str, Any] | None:
    for line in stdout:
        event = json.loads(line)
        if event["event"] == "progress":
            progress(event["step"], event["done"], event["total"])
        elif event["event"] == "during" and during is not None:
            _say(stdin, dict(during()))
        elif event["event"] == "error":
            raise ChildError(event["text"])
        elif event["event"] == "report":
            report: dict[str, Any] = event["report"]
            return report
    return None


def _say(stream: IO[str], value: Mapping[str, Any]) -> None:
    stream.write(json.dumps(value, default=str) + "\n")
    stream.flush()
