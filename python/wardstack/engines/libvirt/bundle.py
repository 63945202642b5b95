"""Sends the agent to a host and asks it something."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from wardstack.engines.base import EngineError, Problem, Report
from wardstack.engines.libvirt.transport import Transport

PACKAGE = "wardstack_agent"

# Reads one line of JSON with the sources and the request, makes a package of the sources in memory, and hands over.
# Nothing is written to the host, so there is nothing of an older version to find there.
_BOOTSTRAP = f"""
import importlib.abc, importlib.util, json, sys
bundle = json.loads(sys.stdin.buffer.readline())
class Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def find_spec(self, name, path=None, target=None):
        if name in bundle["sources"]:
            return importlib.util.spec_from_loader(name, self, is_package=name == "{PACKAGE}")
    def get_source(self, name):
        return bundle["sources"][name]
sys.meta_path.insert(0, Finder())
from {PACKAGE}.main import main
sys.exit(main(bundle["request"]))
"""

Block = Iterable[bytes]


@functools.cache
def sources() -> Mapping[str, str]:
    """The agent's modules: name on the host → source."""
    folder = resources.files("wardstack.engines.libvirt.agent")
    found = {}
    for file in folder.iterdir():
        if file.name.endswith(".py"):
            stem = file.name.removesuffix(".py")
            name = PACKAGE if stem == "__init__" else f"{PACKAGE}.{stem}"
            found[name] = file.read_text(encoding="utf-8")
    return found


def command() -> str:
    """The shell command that starts the agent."""
    return f"python3 -I -c {shlex.quote(_BOOTSTRAP)}"


def ask(
    transport: Transport,
    host: str,
    op: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    data: Iterable[bytes] = (),
    report: Report | None = None,
    timeout_s: float = 120,
) -> Any:
    """Ask the agent of one host.

    Args:
        transport: open connections.
        host: where.
        op: name of the operation, see ``agent/main.py``.
        arguments: its keywords.
        data: bytes that follow the request.
        report: gets its progress.
        timeout_s: after how many seconds to give up.

    Returns:
        The operation's result.

    Raises:
        EngineError: the host cannot be reached, or the operation failed.
    """
    last: dict[str, Any] = {}

    def on_line(line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if "step" in message:
            if report:
                report(f"{host}: {message['step']}")
        else:
            last.update(message)

    status, stderr = transport.stream(host, command(), _stream(op, arguments or {}, data), on_line, timeout_s)
    if "result" in last:
        return last["result"]
    if "error" in last:
        what = last["error"] + (f"\n{last['trace']}" if "trace" in last else "")
        raise EngineError(Problem(host, what, last["fix"]))
    words = stderr.splitlines()[-1] if stderr else f"exit status {status}"
    raise EngineError(Problem(host, f"the agent ended without an answer ({words})", "Is python3 installed there?"))


def _stream(op: str, arguments: Mapping[str, Any], data: Iterable[bytes]) -> Iterator[bytes]:
    request = {"op": op, **arguments}
    yield json.dumps({"sources": sources(), "request": request}).encode() + b"\n"
    yield from data
