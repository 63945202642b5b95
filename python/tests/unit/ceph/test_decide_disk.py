"""What happens to a disk: every content, with what the monitors know of its OSD (STD-05.8, STD-10.4)."""

from __future__ import annotations

import pytest

from wardstack.ansible.module_utils.wardstack_ceph.decide import DiskContent, decide_disk

CASES: list[tuple[DiskContent, bool, bool, bool, str]] = [
    # content, known to the monitors, has been up, named as replaced -> action
    ("empty", False, False, False, "create"),
    ("empty", True, False, False, "create"),
    ("empty", True, True, False, "refuse"),
    ("empty", True, True, True, "replace"),
    ("unfinished", False, False, False, "rebuild"),
    ("unfinished", True, False, False, "rebuild"),
    ("unfinished", True, True, False, "refuse"),
    ("unfinished", True, True, True, "refuse"),
    ("ready", True, False, False, "start"),
    ("ready", True, True, False, "start"),
    ("ready", False, False, False, "refuse"),
    ("foreign", False, False, False, "refuse"),
    ("foreign", True, True, True, "refuse"),
    ("absent", True, True, True, "refuse"),
]


@pytest.mark.parametrize(("content", "known", "booted", "replace", "action"), CASES)
def test_disk(content: DiskContent, known: bool, booted: bool, replace: bool, action: str) -> None:
    decision = decide_disk("h1/osd0 (/dev/sdb)", content, known=known, booted=booted, replace=replace)
    assert decision.action == action
    assert bool(decision.reason) == (action == "refuse")


@pytest.mark.parametrize("content", ["foreign", "ready", "unfinished"])
def test_a_disk_with_content_is_never_taken_because_it_was_named_as_replaced(content: DiskContent) -> None:
    decision = decide_disk("h1/osd0 (/dev/sdb)", content, known=True, booted=True, replace=True)
    assert decision.action in ("start", "refuse")


def test_a_refusal_names_host_disk_and_what_was_found() -> None:
    reason = decide_disk(
        "h1/osd0 (/dev/sdb)", "foreign", known=False, booted=False, replace=False, detail="ext4"
    ).reason
    assert "h1/osd0 (/dev/sdb)" in reason
    assert "ext4" in reason
