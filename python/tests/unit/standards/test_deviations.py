"""Deviations (STD-10.6): applied while they hold, refused when they do not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from wardstack.standards import Deviation, Standards
from wardstack.standards.deviations import read_deviations
from wardstack.standards.problems import Problems

TODAY = dt.date(2026, 11, 24)
ENTRY = """---
deviations:
  - clause: STD-04.1
    parameter: storage_replicas
    value: 2
    reason: The third host is not delivered yet.
    risk: A second loss during a repair.
    approver: Dr. Li
    approved: 2026-11-01
    expires: 2027-01-31
"""


def _read(path: Path, standards: Standards, text: str) -> tuple[tuple[Deviation, ...], list[str]]:
    file = path / "deviations.yml"
    file.write_text(text, encoding="utf-8")
    problems = Problems()
    found = read_deviations(file, standards, TODAY, problems)
    return found, [str(problem).partition("deviations.yml:")[2] for problem in problems.found]


def test_a_deviation_may_leave_the_bounds(tmp_path: Path, read: Callable[..., Standards]) -> None:
    (deviation,), problems = _read(tmp_path, read(), ENTRY)
    assert not problems
    assert (deviation.parameter, deviation.value, deviation.expires) == ("storage_replicas", 2, dt.date(2027, 1, 31))


def test_a_site_without_the_file_has_no_deviations(tmp_path: Path, read: Callable[..., Standards]) -> None:
    assert read_deviations(tmp_path / "none.yml", read(), TODAY, Problems()) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("expires: 2027-01-31", "expires: 2026-11-23", "10:14: STD-04.1: the deviation expired on 2026-11-23"),
        (
            "approved: 2026-11-01",
            "approved: 2026-11-25",
            "9:15: STD-04.1: the approval is dated 2026-11-25, in the future",
        ),
        ("expires: 2027-01-31", "expires: 2036-01-31", "at most three years"),
        ("expires: 2027-01-31", "expires: soon", "a date such as 2027-03-31"),
        ("    expires: 2027-01-31\n", "", "a deviation lacks 'expires'"),
        ("STD-04.1", "STD-04.7", "there is no clause STD-04.7; did you mean 'STD-04.1'?"),
        ("storage_replicas", "storage_replica", "did you mean 'storage_replicas'?"),
        ("value: 2", "value: two", "5:12: STD-04.1: storage_replicas is 'two'"),
        ("    value: 2\n", "", "a deviation has a parameter and its value, or neither"),
        ("approver: Dr. Li", "approver: ''", "approver is a text"),
        ("approver:", "approved_by:", "did you mean 'approved'?"),
    ],
)
def test_a_deviation_that_does_not_hold_is_refused(
    tmp_path: Path, read: Callable[..., Standards], old: str, new: str, expected: str
) -> None:
    assert old in ENTRY
    _, problems = _read(tmp_path, read(), ENTRY.replace(old, new, 1))
    assert expected in "\n".join(problems)


def test_two_deviations_from_one_parameter_are_refused(tmp_path: Path, read: Callable[..., Standards]) -> None:
    twice = ENTRY + ENTRY.partition("deviations:\n")[2]
    _, problems = _read(tmp_path, read(), twice)
    assert "given twice" in "\n".join(problems)
