"""Mitogen brings a module to a machine only with what it finds by reading imports; a miss fails there, at run time."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_what_a_task_starts_may_use_every_processor(tmp_path: Path) -> None:
    """The lab's hosts are started by a task: they were found with one processor each."""
    if len(processors := os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors")
    playbook = tmp_path / "playbook.yml"
    told = tmp_path / "told"
    command = f"python3 -c 'import os; print(len(os.sched_getaffinity(0)))' > {told}"
    playbook.write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        f"    - name: Ask\n      ansible.builtin.shell: {command}\n"
    )
    environment = {**os.environ, "ANSIBLE_CONFIG": str(HOME.parents[2] / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path)}
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)]
    done = subprocess.run(words, cwd=HOME.parents[2], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told.read_text().strip() == str(len(processors))
