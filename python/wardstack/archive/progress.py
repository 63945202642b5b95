"""How far a long task is, in a file that a display reads while the task runs."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

FILE_NAME = "archive.json"


class ProgressFile:
    """Writes progress into the site's progress folder, at most a few times a second, from any thread.

    Args:
        state_dir: The site's state folder.
        interval: Least time between two writes of one step, seconds.
    """

    def __init__(self, state_dir: Path, interval: float = 0.5) -> None:
        self._path = state_dir / "progress" / FILE_NAME
        self._interval = interval
        self._step = ""
        self._began = self._written = 0.0
        self._lock = threading.Lock()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Note how far a step is; without a known total, what is done is all."""
        with self._lock:
            self._note(step, done, total)

    def _note(self, step: str, done: int, total: int) -> None:
        moment = time.monotonic()
        if step != self._step:
            self._step, self._began = step, moment
        elif moment - self._written < self._interval:
            return
        self._written = moment
        told = {"step": step, "done": done, "total": max(total, done), "seconds": round(moment - self._began, 1)}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Replaced at once but not synced: it is only worth a glance.
        draft = self._path.with_suffix(".part")
        draft.write_text(json.dumps(told), encoding="utf-8")
        draft.replace(self._path)

    def close(self) -> None:
        """Remove the file: nothing runs any more."""
        self._path.unlink(missing_ok=True)
