"""./wardstack makes its Python environment once; again when the lock changes or a run was stopped half-way."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from wardstack.cli_site import HOME

MAIN = "import os, sys; print('handed over', sys.argv[1:], os.environ['ANSIBLE_CONFIG'])\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that needs no package."""
    shutil.copy(HOME / "wardstack", tmp_path / "wardstack")
    (tmp_path / "python" / "wardstack").mkdir(parents=True)
    (tmp_path / "python" / "wardstack" / "__main__.py").write_text(MAIN)
    (tmp_path / "python" / "requirements.lock").write_text("")
    return tmp_path


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.run(
        [checkout / "wardstack", *words], env=environment, text=True, capture_output=True, check=False
    )


def test_the_environment_is_made_once_and_again_when_needed(checkout: Path) -> None:
    first = run(checkout, "plan", "--site", "lab")
    assert first.returncode == 0, first.stderr
    assert "making the Python environment" in first.stderr
    assert f"handed over ['plan', '--site', 'lab'] {checkout}/ansible.cfg" in first.stdout
    python = checkout / ".venv" / "bin" / "python"
    told = subprocess.run([python, "-c", "import sys; print(sys.path)"], text=True, capture_output=True, check=True)
    assert str(checkout / "python") in told.stdout, "plain Ansible finds the package too"
    assert run(checkout, "plan").stderr == ""
    (checkout / "python" / "requirements.lock").write_text("# another\n")
    assert "making the Python environment" in run(checkout, "plan").stderr
    # Stopped half-way: a folder without its stamp.
    (checkout / ".venv" / "wardstack.stamp").unlink()
    (checkout / ".venv" / "half").touch()
    assert "making the Python environment" in run(checkout, "plan").stderr
    assert not (checkout / ".venv" / "half").exists()


def test_a_package_that_cannot_be_had_leaves_nothing_half_made(checkout: Path) -> None:
    lock = "no-such-package-of-wardstack==1.0 --hash=sha256:" + "0" * 64 + "\n"
    (checkout / "python" / "requirements.lock").write_text(lock)
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [checkout / "wardstack", "plan"], env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert "check the network and pip's package index" in done.stderr
    assert not (checkout / ".venv").exists()
