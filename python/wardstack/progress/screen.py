"""A status line that stays at the bottom of a terminal, and nothing but plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Callable

CLEAR = "\r\x1b[K"
EVERY_TTY = 0.5
"""Seconds between two refreshes of the status line."""
EVERY_PLAIN = 60.0
"""Seconds of silence after which a log (CI) is told that work goes on."""


def clock(seconds: float) -> str:
    """Return a duration as a person reads it: 4:05, or 1:02:03."""
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def fit(text: str, columns: int) -> str:
    """Return text cut to a number of columns, with an ellipsis where something was cut."""
    if width(text) <= columns:
        return text
    kept = ""
    for letter in text:
        if width(kept + letter) > columns - 1:
            break
        kept += letter
    return kept + "…"


class Screen:
    """Prints lines and keeps a status line below them while something is running."""

    def __init__(self, print_line: Callable[[str], None], status: Callable[[], str | None]) -> None:
        """Prepare; nothing is shown before `start`.

        Args:
            print_line: prints one permanent line.
            status: the text of the status line now, None for none. Called from another thread.
        """
        self._print = print_line
        self._status = status
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_print = time.monotonic()
        self.tty = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def start(self) -> None:
        """Begin to show the status line."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wardstack-status", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Remove the status line for good."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        if self.tty:
            self._write(CLEAR)

    def line(self, text: str) -> None:
        """Print permanent text above the status line."""
        with self._lock:
            if self.tty:
                self._write(CLEAR)
            self._print(text)
            self._last_print = time.monotonic()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_TTY):
            text = self._status()
            if text is None:
                continue
            with self._lock:
                if self.tty:
                    self._write(CLEAR + fit(text, shutil.get_terminal_size().columns - 1))
                elif time.monotonic() - self._last_print > EVERY_PLAIN:
                    self._write(text + "\n")
                    self._last_print = time.monotonic()

    @staticmethod
    def _write(text: str) -> None:
        # Straight to the file: Ansible forks while this thread runs, and a buffer's lock that is held at that moment
        # would stay locked in the child for ever.
        try:
            os.write(1, text.encode("utf-8", "replace"))
        except OSError:
            return
