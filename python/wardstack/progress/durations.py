"""How long each step of a playbook took before, and from that how long the rest of this run will take."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("unchanged", "changed")
"""A step is remembered twice, as one that has nothing to do is many times faster."""


@dataclass
class Durations:
    """Seconds per step, in the order of the last run.

    Attributes:
        steps: step → kind → seconds.
    """

    steps: dict[str, dict[str, float]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to estimate from."""
        return bool(self.steps)

    def note(self, step: str, seconds: float, changed: bool) -> None:
        """Remember how long a step took this time."""
        self.steps.setdefault(step, {})[KINDS[changed]] = round(seconds, 2)

    def expected(self, step: str, changing: bool) -> float:
        """Return the expected seconds of a step, 0 when it is unknown.

        Args:
            step: its name.
            changing: whether this run has changed anything so far, so that more changes are likely.
        """
        known = self.steps.get(step, {})
        preferred, other = KINDS[changing], KINDS[not changing]
        return known.get(preferred, known.get(other, 0.0))

    def remaining(self, done: Iterable[str], current: str | None, elapsed: float, changing: bool) -> float:
        """Return the expected seconds until the end.

        Args:
            done: steps that have ended.
            current: the step that runs now, if one does.
            elapsed: its seconds so far.
            changing: as for `expected`.
        """
        over = set(done)
        ahead = sum(self.expected(step, changing) for step in self.steps if step not in over and step != current)
        return ahead + (max(0.0, self.expected(current, changing) - elapsed) if current else 0.0)

    def keep_only(self, seen: Iterable[str]) -> None:
        """Forget steps that a complete run did not meet any more."""
        known = set(seen)
        self.steps = {step: kinds for step, kinds in self.steps.items() if step in known}

    def save(self, path: Path) -> None:
        """Write to a file, all or nothing. A folder that cannot be written is no reason to fail a run."""
        write_json(path, {"steps": self.steps})


def load(path: Path) -> Durations:
    """Read what `save` wrote; nothing is known when the file is missing or was damaged."""
    try:
        steps = json.loads(path.read_text(encoding="utf-8"))["steps"]
        return Durations(
            {str(step): {kind: float(kinds[kind]) for kind in KINDS if kind in kinds} for step, kinds in steps.items()}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Durations()


def folder() -> Path:
    """Return where runs are remembered: the product's cache, or the user's where that is not writable."""
    wanted = Path(os.environ.get("WARDSTACK_CACHE", "/var/cache/wardstack"))
    nearest = next(path for path in (wanted, *wanted.parents) if path.exists())
    return wanted / "runs" if os.access(nearest, os.W_OK) else Path.home() / ".cache" / "wardstack" / "runs"


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file at once; give up silently where the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as stream:
            json.dump(value, stream, indent=1)
            stream.write("\n")
        Path(stream.name).replace(path)
    except OSError:
        return
