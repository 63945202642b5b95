"""The test runner itself: a failure is never lost, the rest is run, and the last line tells the truth."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wardstack.testing import runner
from wardstack.testing.checks import Check, all_checks

HOME = Path(__file__).resolve().parents[4]


def shell(
    name: str, script: str, folder: Path, tier: int = 1, junit: Path | None = None, timeout: float = 60.0
) -> Check:
    return Check(name, tier, ("sh", "-c", script), folder, junit, timeout)


def run(
    monkeypatch: pytest.MonkeyPatch, checks: list[Check], fast: bool = False, only: tuple[str, ...] = ()
) -> tuple[int, list[str]]:
    def given(home: Path, results: Path) -> Iterator[Check]:
        return iter(checks)

    monkeypatch.setattr(runner, "all_checks", given)
    lines: list[str] = []
    code = runner.run_tests(fast=fast, only=only, say=lambda text: lines.extend(text.splitlines()), home=HOME)
    return code, lines


def test_all_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, lines = run(monkeypatch, [shell("a", "true", tmp_path), shell("b", "true", tmp_path, tier=2)])
    assert code == 0
    assert lines[-1] == "2 passed, 0 failed"


def test_a_failure_is_shown_and_the_rest_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, lines = run(monkeypatch, [shell("bad", "echo the reason; exit 3", tmp_path), shell("good", "true", tmp_path)])
    assert code == 1
    assert lines[-1] == "1 passed, 1 failed"
    assert any("the reason" in line for line in lines)
    assert any("good" in line and "ok" in line for line in lines)


def test_fast_runs_the_first_tier_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, lines = run(monkeypatch, [shell("a", "true", tmp_path), shell("b", "false", tmp_path, tier=2)], fast=True)
    assert lines[-1] == "1 passed, 0 failed"


def test_a_name_that_matches_nothing_is_no_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, lines = run(monkeypatch, [shell("a", "true", tmp_path)], only=("zzz",))
    assert code == 1
    assert lines[-1] == "0 passed, 1 failed"


def test_tests_are_counted_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    junit = tmp_path / "r.xml"
    (tmp_path / "test_x.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\n@pytest.mark.skip\ndef test_c(): pass\n"
    )
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}", "test_x.py")
    code, lines = run(monkeypatch, [Check("t", 1, words, tmp_path, junit)])
    assert code == 1
    assert lines[-1] == "1 passed, 1 failed"


def test_a_run_that_breaks_between_its_tests_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    xml = '<testsuites><testsuite><testcase name="a" time="0.1"/></testsuite></testsuites>'
    junit = tmp_path / "r.xml"
    code, lines = run(monkeypatch, [shell("t", f"echo '{xml}' > {junit}; exit 2", tmp_path, junit=junit)])
    assert code == 1
    assert lines[-1] == "1 passed, 1 failed"


def test_what_hangs_is_stopped_with_all_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runner, "GRACE", 2.0)
    script = "trap '' INT; sleep 600 & echo $! > child; wait; wait"
    began = time.monotonic()
    code, lines = run(monkeypatch, [shell("hangs", script, tmp_path, timeout=1.0)])
    assert code == 1
    assert any("took too long" in line for line in lines)
    assert time.monotonic() - began < 20
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_an_interrupt_ends_the_running_check_and_reports_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A shell that starts the tests in the background lets them ignore the interrupt; a person's terminal does not.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupter = f"kill -INT {os.getpid()}; sleep 60"
    try:
        code, lines = run(
            monkeypatch, [shell("a", "true", tmp_path), shell("b", interrupter, tmp_path), shell("c", "true", tmp_path)]
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert lines[-1] == "1 passed, 0 failed"


def test_every_role_with_a_scenario_is_tested(tmp_path: Path) -> None:
    names = [check.name for check in all_checks(HOME, tmp_path)]
    for scenario in HOME.glob("roles/*/molecule/default/molecule.yml"):
        assert f"molecule: {scenario.parents[2].name}" in names
    assert len(names) == len(set(names))
