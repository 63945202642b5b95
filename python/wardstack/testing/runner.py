"""Run the checks one after the other, say how it goes, and count."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wardstack.testing.checks import TIERS, UNPROVEN, Check, all_checks, environment
from wardstack.testing.junit import Case, read

HOME = Path(os.environ.get("WARDSTACK_HOME", Path(__file__).parents[3]))
SLOWEST = 15
GRACE = 30.0
"""Seconds that a check which is stopped has for cleaning up (molecule destroys its containers)."""
HEARTBEAT = 60.0
"""Seconds after which a running check is mentioned again, so that a log shows life."""


@dataclass
class Result:
    """What became of a check.

    Attributes:
        passed: tests that passed; a check without tests of its own counts as one.
        failed: tests that failed.
    """

    check: Check
    seconds: float
    passed: int
    failed: int
    cases: list[Case] = field(default_factory=list)


def run_tests(
    *, fast: bool, only: Sequence[str] = (), say: Callable[[str], None] | None = None, home: Path = HOME
) -> int:
    """Run the checks and print what became of them.

    Args:
        fast: only the first tier.
        only: parts of names; empty for all checks.
        say: prints a line.
        home: the checkout.

    Returns:
        The exit code: 0 when all passed, 1 when one failed, 130 when interrupted.
    """
    tell = say or (lambda text: print(text, flush=True))
    results: list[Result] = []
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="wardstack-test-") as folder:
        chosen = [check for check in all_checks(home, Path(folder)) if not fast or check.tier == 1]
        chosen = [check for check in chosen if not only or any(part in check.name for part in only)]
        unproven = [] if only or fast else [check.name for check in chosen if check.name in UNPROVEN]
        chosen = [check for check in chosen if check.name not in unproven]
        for name in unproven:
            tell(f"not run: {name} ({UNPROVEN[name]}); `--only '{name}'` runs it")
        tier = 0
        try:
            for number, check in enumerate(chosen, 1):
                if check.tier != tier:
                    tier = check.tier
                    tell(f"\ntier {tier}: {TIERS[tier - 1]}")
                results.append(run_check(check, home, Path(folder), tell, f"{number}/{len(chosen)}"))
        except KeyboardInterrupt:
            interrupted = True
            tell("\ninterrupted; what ran until now:")
    report(results, tell)
    passed, failed = sum(one.passed for one in results), sum(one.failed for one in results)
    if not results and not interrupted:
        tell("no check has such a name")
        failed = 1
    tell(f"{passed} passed, {failed} failed")
    return 130 if interrupted else int(failed > 0)


def run_check(check: Check, home: Path, folder: Path, tell: Callable[[str], None], number: str) -> Result:
    """Run one check; print its output only when it failed.

    Raises:
        KeyboardInterrupt: interrupted; the check has ended.
    """
    began = time.monotonic()
    log = folder / "output.txt"
    with log.open("w", encoding="utf-8") as stream:
        code = run_command(check, home, stream.fileno(), tell)
    seconds = time.monotonic() - began
    cases = read(check.junit) if check.junit else []
    failed = sum(case.failed for case in cases)
    passed = sum(not case.failed and not case.skipped for case in cases)
    if not cases:
        passed, failed = int(code == 0), int(code != 0)
    elif code != 0 and failed == 0:
        # The run itself broke, after or between its tests.
        failed = 1
    skipped = sum(case.skipped for case in cases)
    count = f", {passed} passed" + (f", {skipped} skipped" if skipped else "") if cases else ""
    tell(f"  {'FAILED' if failed else 'ok':<6}  {check.name}{count}, {seconds:.1f} s  [{number}]")
    if failed:
        tell("\n".join(f"    | {line}" for line in tail(log, code)))
    return Result(check, seconds, passed, failed, cases)


def run_command(check: Check, home: Path, output: int, tell: Callable[[str], None]) -> int:
    """Run a check's command and return its exit code; 124 when it took too long.

    Raises:
        KeyboardInterrupt: interrupted; the command has ended.
    """
    deadline = time.monotonic() + check.timeout
    # In a session of its own, so that all that it started can be stopped with it.
    with subprocess.Popen(
        check.command,
        cwd=check.folder,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            while True:
                began = time.monotonic()
                try:
                    return process.wait(min(HEARTBEAT, max(0.1, deadline - began)))
                except subprocess.TimeoutExpired:
                    if time.monotonic() >= deadline:
                        stop(process)
                        return 124
                    tell(f"          {check.name}: still running")
        except BaseException:
            stop(process)
            raise


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a command and all that it started: asked first, made to after a while."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def tail(log: Path, code: int, most: int = 120) -> list[str]:
    """Return the end of a check's output, and why it ended where that is not plain."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    cut = [f"({len(lines) - most} lines before)"] if len(lines) > most else []
    why = ["stopped, as it took too long"] if code == 124 else []
    return [*cut, *lines[-most:], *why]


def report(results: list[Result], tell: Callable[[str], None]) -> None:
    """Print seconds per tier, the slowest tests and what failed."""
    tell("")
    for tier in sorted({one.check.tier for one in results}):
        mine = [one for one in results if one.check.tier == tier]
        tell(f"tier {tier}: {sum(one.seconds for one in mine):.0f} s, {sum(one.failed for one in mine)} failed")
    timed = [(case.seconds, case.name) for one in results for case in one.cases]
    timed += [(one.seconds, one.check.name) for one in results if not one.cases]
    slow = sorted(timed, reverse=True)[:SLOWEST]
    if slow:
        tell("slowest")
        for seconds, name in slow:
            tell(f"  {seconds:7.1f} s  {name}")
    for one in results:
        if one.failed:
            names = [case.name for case in one.cases if case.failed]
            tell(f"FAILED  {one.check.name}" + (": " + ", ".join(names) if names else ""))
