"""The child's side of :mod:`wardstack.archive.network`: one task, JSON lines in and out."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from wardstack.archive.benchmark import BenchmarkError, benchmark
from wardstack.archive.config import VerifyConfig
from wardstack.archive.verify import VerifyError, verify

_lock = threading.Lock()


def emit(**event: Any) -> None:
    """Write one event as a line, from any thread."""
    with _lock:
        sys.stdout.write(json.dumps(event, ensure_ascii=True) + "\n")
        sys.stdout.flush()


class Throttle:
    """Passes on progress a few times a second, and every new step and end."""

    def __init__(self, interval: float = 0.3) -> None:
        self._interval = interval
        self._last: tuple[str, float] = ("", 0.0)

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report how far a step is, see :data:`wardstack.archive.verify.Progress`."""
        moment = time.monotonic()
        if step == self._last[0] and moment - self._last[1] < self._interval and done != total:
            return
        self._last = (step, moment)
        emit(event="progress", step=step, done=done, total=total)


def ask_parent() -> Mapping[str, Any]:
    """Let the parent do what is to happen meanwhile, and wait for its end."""
    emit(event="during")
    line = sys.stdin.readline()
    if not line:
        raise VerifyError("the process that started this one has ended")
    result: dict[str, Any] = json.loads(line)
    return result


def main() -> int:
    """Read the configuration, carry out the task, write the report."""
    task = sys.argv[1]
    request = json.loads(sys.stdin.readline())
    # Born inside the namespace: no further child.
    config = replace(VerifyConfig.from_json(request["config"]), netns="")
    during: Callable[[], Mapping[str, Any]] | None = ask_parent if request["during"] else None
    try:
        if task == "verify":
            emit(event="report", report=verify(config, during, Throttle()).to_dict())
        elif task == "benchmark":
            counts = tuple(request["associations"])
            emit(event="report", report=benchmark(config, Throttle(), counts, request["seconds"]).to_dict())
        else:
            raise VerifyError(f"unknown task {task}")
    except (VerifyError, BenchmarkError) as error:
        emit(event="error", text=str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
