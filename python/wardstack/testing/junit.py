"""Read the results that pytest writes."""

from __future__ import annotations

# The files are our own, written a moment ago by pytest.
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One test; seconds include its fixtures."""

    name: str
    seconds: float
    failed: bool
    skipped: bool


def read(path: Path) -> list[Case]:
    """Return the tests of a results file; none where pytest did not get so far."""
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314
    except (OSError, ElementTree.ParseError):
        return []
    return [
        Case(
            f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name', '')}",
            float(case.get("time", 0)),
            case.find("failure") is not None or case.find("error") is not None,
            case.find("skipped") is not None,
        )
        for case in root.iter("testcase")
    ]
