"""Every check of the product: its name, its tier, and its command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TIERS = ("lint, unit and property tests", "roles and engines against real peers", "the whole lab, end to end")
PYTEST_LAB_SECONDS = 60 * 60
"""A limit for the end-to-end tests; they end in a third of it."""

UNPROVEN = {
    "molecule: ceph (device)": "took over 15 minutes on an emulated host and was never seen to end",
}
"""Checks that were not seen to pass, and why. They run only with ``--only``; whoever mends one removes its line."""


@dataclass(frozen=True)
class Check:
    """One command whose exit code tells whether something holds.

    Attributes:
        name: what people call it.
        tier: 1 to 3, an index into `TIERS` from 1.
        command: its words.
        folder: where it runs.
        junit: the results it writes, where it counts its own tests.
        timeout: seconds after which it counts as hanging.
    """

    name: str
    tier: int
    command: tuple[str, ...]
    folder: Path
    junit: Path | None = None
    timeout: float = 900.0


def all_checks(home: Path, results: Path) -> Iterator[Check]:
    """Yield every check of a checkout, fast ones first.

    Args:
        home: the checkout.
        results: a folder for what the tools write.
    """
    python = home / "python"
    tools = Path(sys.executable).parent

    def tool(name: str, *words: str) -> tuple[str, ...]:
        return (str(tools / name), *words)

    yield Check("ruff", 1, tool("ruff", "check", "."), python)
    yield Check("ruff format", 1, tool("ruff", "format", "--check", "."), python)
    yield Check("import contract", 1, tool("lint-imports", "--no-logo"), python)
    yield Check("mypy strict", 1, tool("mypy"), python)
    yield Check("yamllint", 1, tool("yamllint", "--strict", "."), home)
    scripts = "for file in wardstack docs/benchmarks/*.sh; do sh -n $file || exit 1; done"
    yield Check("shell syntax", 1, ("sh", "-c", scripts), home)
    yield pytest_check("unit and property tests", 1, python / "tests" / "unit", python, results, "-n", "2")
    yield Check("ansible-lint production", 1, tool("ansible-lint", "--offline", "-q"), home)
    # Scenarios on archive nodes start from the image's root tree: made here where there is none yet.
    image = tool("ansible-playbook", "-i", str(home / "inventories" / "lab"), str(home / "playbooks" / "image.yml"))
    yield Check("golden image", 2, image, home)
    for scenario in sorted((*home.glob("roles/*/molecule/*/molecule.yml"), *home.glob("molecule/*/molecule.yml"))):
        yield molecule_check(scenario.parent, tool("molecule"))
    for folder in sorted((python / "tests" / "engine").iterdir()) if (python / "tests" / "engine").is_dir() else ():
        if folder.is_dir() and any(folder.glob("test_*.py")):
            yield pytest_check(f"engine tests: {folder.name}", 2, folder, python, results)
    end_to_end = python / "tests" / "e2e"
    if any(end_to_end.glob("test_*.py")):
        yield pytest_check("lab end to end", 3, end_to_end, python, results, timeout=PYTEST_LAB_SECONDS)


def pytest_check(
    name: str, tier: int, tests: Path, python: Path, results: Path, *options: str, timeout: float = 1800.0
) -> Check:
    """Return a check that is a folder of tests."""
    junit = results / f"{tests.parent.name}-{tests.name}.xml"
    words = (sys.executable, "-m", "pytest", str(tests), "-q", f"--junitxml={junit}", *options)
    return Check(name, tier, words, python, junit, timeout)


def molecule_check(scenario: Path, molecule: tuple[str, ...]) -> Check:
    """Return a check that is a molecule scenario."""
    project = scenario.parents[1]
    role = project.name if project.parent.name == "roles" else "shared"
    suffix = "" if scenario.name == "default" else f" ({scenario.name})"
    command = (*molecule, "test", "--scenario-name", scenario.name)
    # Those on a full VM take nine minutes on a quiet machine.
    return Check(f"molecule: {role}{suffix}", 2, command, project, timeout=1800.0)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of every check: the tools first in the path, one locale, no colours in logs."""
    tools = str(Path(sys.executable).parent)
    own = {"PYTHONPATH": str(home / "python"), "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "160"}
    own |= {"ANSIBLE_CONFIG": str(home / "ansible.cfg"), "WARDSTACK_HOME": str(home), "ANSIBLE_NOCOLOR": "1"}
    return {**os.environ, "PATH": f"{tools}:{os.environ.get('PATH', os.defpath)}", **own}
