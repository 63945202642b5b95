"""Figures of earlier runs, so that a run that had nothing to send can still show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wardstack.archive.storage import write_atomically

FILE_NAME = "figures.json"


def recall(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the last run of each kind came to.

    Args:
        folder: The ledger's folder: the history is retired with the ledger.

    Returns:
        For ``sent`` and ``load``, as far as there was one: ``report``,
        ``during``, ``started`` (RFC 3339) and ``ok``.
    """
    try:
        history: dict[str, dict[str, Any]] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        # It is only shown, never decided on beyond doing a thing again.
        return {}
    return history


def remember(folder: Path, kind: str, entry: dict[str, Any]) -> None:
    """Note what a run came to, in place of the earlier one of its kind."""
    history = {**recall(folder), kind: entry}
    write_atomically(folder / FILE_NAME, json.dumps(history, indent=2, ensure_ascii=False) + "\n")
