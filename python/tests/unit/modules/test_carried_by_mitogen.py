"""Mitogen brings a module to a machine only with what it finds by reading imports; a miss fails there, at run time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_mitogen.module_finder import scan

import wardstack.ansible

HOME = Path(wardstack.ansible.__file__).parent
PACKAGES = {
    "wardstack_ceph": "wardstack_ceph_daemons",
    "wardstack_cluster": "wardstack_cluster",
    "wardstack_network": "wardstack_network",
}


def test_every_package_has_its_module() -> None:
    assert {path.name for path in (HOME / "module_utils").iterdir() if (path / "__init__.py").exists()} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_of_a_package_is_found(package: str) -> None:
    module = PACKAGES[package]
    found = scan(module, str(HOME / "modules" / f"{module}.py"), [str(HOME / "module_utils")])
    names = {name for name, _, _ in found}
    files = {path.stem for path in (HOME / "module_utils" / package).glob("*.py")} - {"__init__"}
    assert {f"ansible.module_utils.{package}.{name}" for name in files} <= names


def run_one_task(folder: Path, command: str) -> subprocess.Popen[bytes]:
    """Start a playbook of one task on this machine, in a session of its own."""
    playbook = folder / "playbook.yml"
    playbook.write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        f"    - name: Ask\n      ansible.builtin.shell: {command}\n"
    )
    environment = {**os.environ, "ANSIBLE_CONFIG": str(HOME.parents[2] / "ansible.cfg"), "ANSIBLE_HOME": str(folder)}
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)]
    return subprocess.Popen(
        words, cwd=HOME.parents[2], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )


def those_of(folder: Path) -> list[str]:
    """Return the command lines of living processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


def test_what_a_task_starts_may_use_every_processor(tmp_path: Path) -> None:
    """The lab's hosts are started by a task: they were found with one processor each."""
    if len(processors := os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors")
    told = tmp_path / "told"
    command = f"python3 -c 'import os; print(len(os.sched_getaffinity(0)))' > {told}"
    with run_one_task(tmp_path, command) as playbook:
        assert playbook.wait(120) == 0
    assert told.read_text().strip() == str(len(processors))


def test_nothing_of_a_killed_run_stays(tmp_path: Path) -> None:
    """Its workers have sessions of their own and waited for ever: fifteen of them after five kills."""
    began = tmp_path / "began"
    with run_one_task(tmp_path, f"touch {began}; sleep 3") as playbook:
        deadline = time.monotonic() + 120
        while not began.exists():
            assert playbook.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(playbook.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while left := those_of(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
