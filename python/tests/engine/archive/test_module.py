"""The Ansible module against a real archive: check mode, first run, second run, failure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.archive.rig import PASSWORD, Archive
from wardstack.archive.progress import FILE_NAME

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def site(archive: Archive, state: Path) -> dict[str, Any]:
    """A site of its own, as the inventory gives it."""
    certs = state / "pki" / "certs"
    certs.mkdir(parents=True)
    (state / "secrets").mkdir()
    (state / "secrets" / "orthanc_http").write_text(f"{PASSWORD}\n")
    (state / "pki" / "ca.crt").write_bytes(archive.config.ca.read_bytes())
    (certs / "verify.crt").write_bytes(archive.config.certificate.read_bytes())
    (certs / "verify.key").write_bytes(archive.config.key.read_bytes())
    return {
        "state_dir": str(state),
        "lab": False,
        "archive": {"aet": "WARDSTACK", "floating_address": "127.0.0.1"},
    }


def run(site: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """Run the module by Ansible and return its result."""
    given = json.dumps({"site": site, "std": {"dicom_tls_port": 2762, "https_port": 443}})
    ansible = Path(sys.executable).with_name("ansible")
    done = subprocess.run(
        [ansible, "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "localhost",
         "-m", "wardstack_archive_verify", "-a", given, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": site["state_dir"], "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
             "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    before, arrow, rest = done.stdout.partition("=> ")
    assert arrow, done.stdout + done.stderr
    result: dict[str, Any] = json.JSONDecoder().raw_decode(rest)[0]
    # Ansible prints the difference apart from the result.
    return {**result, "printed": before}


def test_check_mode_foresees_what_the_first_run_does_and_the_second_changes_nothing(
    site: dict[str, Any], state: Path
) -> None:
    foreseen = run(site, "--check", "--diff")
    assert foreseen["changed"]
    assert "would send 124 objects" in foreseen["summary"][0]
    assert not (state / "ledger").exists()

    first = run(site, "--diff")
    assert first["changed"], first
    assert first["printed"].count("+124 objects acknowledged") == 1
    assert foreseen["printed"].count("+124 objects acknowledged") == 1
    assert first["report"]["problems"] == []
    saved = json.loads((state / "last-verify.json").read_text())
    assert saved["ok"]
    assert saved["sent"]["acknowledged"] == 124
    assert not (state / "progress" / FILE_NAME).exists()

    second = run(site)
    assert not second["changed"], second
    # What was measured when it was sent is still there to be shown.
    assert second["report"]["earlier"]["sent"]["report"]["acknowledged"] == 124
    assert not run(site, "--check")["changed"]


def test_a_site_without_certificates_is_said(site: dict[str, Any], state: Path) -> None:
    (state / "pki" / "certs" / "verify.key").unlink()
    result = run(site)
    assert "could not be verified" in result["msg"]
    assert PASSWORD not in json.dumps(result)
