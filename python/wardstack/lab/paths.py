"""Where the lab keeps what it makes: one cache folder outside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_CACHE = Path("/var/cache/wardstack")


def cache_dir() -> Path:
    """Return the cache folder (``WARDSTACK_CACHE``, else ``/var/cache/wardstack``)."""
    return Path(os.environ.get("WARDSTACK_CACHE", DEFAULT_CACHE))


def roots_dir() -> Path:
    """Return the folder of cached root file systems (built once, used as lower layers)."""
    return cache_dir() / "roots"


def lab_dir() -> Path:
    """Return the folder of what runs now: overlays, disks, consoles, ``lab.json``."""
    return cache_dir() / "lab"


def instances_dir() -> Path:
    """Return the folder of throw-away test instances."""
    return cache_dir() / "instances"
