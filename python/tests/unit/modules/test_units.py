"""wardstack_units: which steps a unit's state and its files ask for. What systemd then does is molecule's to see."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.modules.conftest import load_module

units = load_module("wardstack_units")
STARTED = "Tue 2026-11-24 13:49:29.521123 UTC"
RUNNING = {
    "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "Type": "notify",
    "ExecMainStartTimestamp": STARTED, "ActiveEnterTimestamp": "Tue 2026-11-24 13:49:30.000000 UTC",
}  # fmt: skip
STOPPED = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled", "Type": "simple"}
MISSING = {"LoadState": "not-found", "ActiveState": "inactive"}
MASKED = {"LoadState": "masked", "ActiveState": "inactive", "UnitFileState": "masked"}
STATIC = {**STOPPED, "UnitFileState": "static"}
ONE_SHOT_DONE = {
    **STATIC, "Type": "oneshot", "RemainAfterExit": "no", "Result": "success", "ExecMainExitTimestamp": STARTED,
    "ExecMainStartTimestamp": STARTED,
}  # fmt: skip


def verbs(
    properties: dict[str, str], check: bool = False, pending: tuple[str, ...] = (), ran_at: float = 0.0, **wanted: Any
) -> list[str]:
    full: dict[str, Any] = {
        "name": "a.service",
        "enabled": None,
        "masked": None,
        "state": None,
        "restart_on": [],
        "reload_on": [],
    }
    steps = units.steps_for({**full, **wanted}, units.Unit(properties, ran_at), set(pending), check)
    return [verb for verb, _ in steps]


@pytest.mark.parametrize(
    ("properties", "wanted", "expected"),
    [
        (RUNNING, {"enabled": True, "state": "started"}, []),
        (STOPPED, {"enabled": True, "state": "started"}, ["enable", "start"]),
        (STOPPED, {"enabled": False, "state": "stopped"}, []),
        (RUNNING, {"enabled": False, "state": "stopped"}, ["disable", "stop"]),
        (RUNNING, {"state": "restarted"}, ["restart"]),
        (RUNNING, {"masked": True, "state": "stopped"}, ["stop", "mask"]),
        (MASKED, {"masked": True, "state": "stopped"}, []),
        (MASKED, {"masked": False, "enabled": True, "state": "started"}, ["unmask", "enable", "start"]),
        (STATIC, {"enabled": True}, []),
        (MISSING, {"enabled": False, "state": "stopped"}, []),
        (MISSING, {"masked": True}, ["mask"]),
        (ONE_SHOT_DONE, {"state": "started"}, []),
        ({**ONE_SHOT_DONE, "Result": "exit-code"}, {"state": "started"}, ["start"]),
        ({**STATIC, "Type": "oneshot", "RemainAfterExit": "no", "Result": "success"}, {"state": "started"}, ["start"]),
        ({**RUNNING, "ActiveState": "failed", "SubState": "failed"}, {"state": "started"}, ["start"]),
    ],
)
def test_only_what_differs_is_done(properties: dict[str, str], wanted: dict[str, Any], expected: list[str]) -> None:
    assert verbs(properties, **wanted) == expected


def test_a_unit_that_is_not_installed_fails_a_run_and_not_check_mode() -> None:
    assert verbs(MISSING, check=True, enabled=True, state="started") == ["enable", "start"]
    with pytest.raises(units.UnitsError, match="is not installed"):
        verbs(MISSING, state="started")


def test_a_masked_unit_is_not_unmasked_unasked() -> None:
    with pytest.raises(units.UnitsError, match="masked: false"):
        verbs(MASKED, state="started")


def file_from(path: Path, moment: float) -> str:
    """A file last modified at a moment; its ctime is now, and counts too."""
    path.write_text("x")
    os.utime(path, (moment, moment))
    return str(path)


def test_a_file_newer_than_the_start_asks_for_a_restart(tmp_path: Path) -> None:
    """Whoever wrote it and whatever was killed in between: a restart happens exactly until it has happened."""
    path = file_from(tmp_path / "a.conf", 0)
    assert verbs(RUNNING, state="started", restart_on=[path]) == (
        ["restart"] if units.changed_at(path) > start() else []
    )
    late = {**RUNNING, "ExecMainStartTimestamp": "Fri 2099-01-02 00:00:00 UTC"}
    assert verbs(late, state="started", restart_on=[path]) == []


def start() -> float:
    return float(units.seconds(STARTED))


def test_restart_makes_reload_unnecessary(tmp_path: Path) -> None:
    early = {**RUNNING, "ExecMainStartTimestamp": "Mon 2001-01-01 00:00:00 UTC"}
    path = file_from(tmp_path / "a.conf", 0)
    assert verbs(early, state="started", reload_on=[path]) == ["reload"]
    assert verbs(early, state="started", restart_on=[path], reload_on=[path]) == ["restart"]


def test_a_unit_that_is_only_started_needs_no_restart(tmp_path: Path) -> None:
    assert verbs(STOPPED, state="started", restart_on=[file_from(tmp_path / "a", 0)]) == ["start"]


def test_check_mode_knows_of_files_that_would_be_written() -> None:
    late = {**RUNNING, "ExecMainStartTimestamp": "Fri 2099-01-02 00:00:00 UTC"}
    there: dict[str, Any] = {"state": "started", "restart_on": ["/etc/passwd"], "pending": ("/etc/passwd",)}
    assert verbs(late, check=True, **there) == ["restart"]
    assert verbs(late, **there) == [], "a real run judges by time alone"


def test_a_file_that_was_removed_asks_for_a_restart_in_its_run() -> None:
    gone = "/nowhere/removed.conf"
    assert verbs(RUNNING, state="started", restart_on=[gone], pending=(gone,)) == ["restart"]
    assert verbs(RUNNING, state="started", restart_on=[gone]) == []


def test_a_one_shot_unit_that_ran_is_remembered_for_this_boot() -> None:
    forgotten = {**STATIC, "Type": "oneshot", "RemainAfterExit": "no", "Result": "success"}
    assert verbs(forgotten, ran_at=1e9, state="started") == []


def test_times_of_systemctl_are_read_to_the_microsecond() -> None:
    assert units.seconds("Thu 1970-01-01 00:01:00.500000 UTC") == 60.5
    assert units.seconds("") == 0.0
    assert units.seconds("n/a") == 0.0


def test_the_moment_of_the_main_process_counts_and_not_that_of_readiness() -> None:
    assert units.Unit(RUNNING).since == pytest.approx(units.seconds(STARTED))
