"""The whole proof against a real archive: what it says when all is well, and when it is not."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.archive.rig import PASSWORD, Archive
from wardstack.archive.config import VerifyConfig
from wardstack.archive.ledger import FILE_NAME, Ledger, read
from wardstack.archive.verify import VerifyError, verify


@pytest.fixture
def config(archive: Archive, state: Path) -> VerifyConfig:
    """A site of its own on the module's archive, with studies of a few objects."""
    return replace(archive.config, state_dir=state, matrix=32, ct_slices=12, load_minimum=10)


def rest(path: str, method: str = "GET", body: str | None = None) -> Any:
    """Ask Orthanc itself, past the front end, as no device can."""
    connection = http.client.HTTPConnection("127.0.0.1", 8042, timeout=10)
    token = base64.b64encode(f"wardstack:{PASSWORD}".encode()).decode()
    connection.request(method, path, body=body, headers={"Authorization": f"Basic {token}"})
    return json.loads(connection.getresponse().read())


def orthanc_id(sop_uid: str) -> str:
    found: list[str] = rest(
        "/tools/find", "POST", json.dumps({"Level": "Instance", "Query": {"SOPInstanceUID": sop_uid}})
    )
    return found[0]


def test_a_study_is_stored_found_and_read_back_and_then_left_alone(
    config: VerifyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wardstack.archive.verify.SOME_OBJECTS", 15)
    steps: list[str] = []
    first = verify(replace(config, read="some"), progress=lambda step, done, total: steps.append(step))
    assert first.problems == []
    assert first.ok
    assert first.changed
    assert first.clauses == dict.fromkeys(
        ["STD-06.3", "STD-06.4", "STD-06.9", "STD-07.1", "STD-07.2", "STD-07.3", "STD-08.1", "STD-08.2"], True
    )
    assert first.sent is not None
    assert first.sent["figures"]["objects"] == first.ledger["objects"] == 36
    for way in ("c_get", "wado_rs"):
        assert first.reading[way]["comparison"]["identical"] == 36
    assert len([probe for probe in first.probes if probe["expected"] == "refused"]) == 12
    assert {"sending five studies", "reading back by C-GET and WADO-RS"} <= set(steps)

    second = verify(config)
    assert second.ok
    assert not second.changed
    assert second.sent is None
    assert second.reading["c_get"]["comparison"]["identical"] == 36

    # The MR's 20 objects are left out when nothing was sent, and the summary says so.
    some = verify(replace(config, read="some"))
    assert some.ok
    assert some.reading["wado_rs"]["comparison"]["identical"] == 16
    assert any("read back: 16 of 36 objects" in line for line in some.summary())


def test_something_happens_while_a_second_study_is_sent(config: VerifyConfig) -> None:
    def meanwhile() -> Mapping[str, Any]:
        time.sleep(0.5)
        return {"migrated": "a1"}

    report = verify(config, during=meanwhile)
    assert report.ok
    assert report.during is not None
    assert report.during["migrated"] == "a1"
    assert report.during["acknowledged_meanwhile"] > 0
    assert report.load is not None
    objects = report.load["figures"]["objects"]
    assert objects >= 10
    assert report.reading["wado_rs"]["comparison"]["identical"] == 36 + objects
    assert report.load["figures"]["longest_stall_seconds"] < 5


def test_a_pause_beyond_the_standard_is_a_problem(config: VerifyConfig) -> None:
    report = verify(replace(config, max_downtime_ms=500.0), during=lambda: {"downtime_ms": 740.0})
    assert report.problems == ["the virtual machine paused for 740 ms while it migrated; the standard allows 500 ms"]


def test_a_lost_object_is_named(config: VerifyConfig) -> None:
    assert verify(config).ok
    lost = next(iter(read(config.ledger_dir / FILE_NAME)[0]))
    rest(f"/instances/{orthanc_id(lost)}", "DELETE")
    report = verify(config)
    assert not report.ok
    assert report.reading["c_get"]["comparison"]["missing"] == (lost,)
    assert report.reading["wado_rs"]["comparison"]["missing"] == (lost,)
    assert any("the archive lists every object" in problem and lost in problem for problem in report.problems)
    # It was acknowledged: sending it again would hide the loss.
    assert report.sent is None


def test_a_changed_pixel_is_named(archive: Archive, config: VerifyConfig) -> None:
    assert verify(config).ok
    changed = next(iter(read(config.ledger_dir / FILE_NAME)[0]))
    content = next(path for path in archive.stored_files() if changed.encode() in path.read_bytes())
    data = bytearray(content.read_bytes())
    data[-1] ^= 1
    content.write_bytes(data)
    report = verify(config)
    assert not report.ok
    assert report.reading["c_get"]["comparison"]["different"] == (changed,)
    assert report.reading["wado_rs"]["comparison"]["different"] == (changed,)


def test_an_archive_killed_meanwhile_loses_nothing_but_time(archive: Archive, config: VerifyConfig) -> None:
    def kill() -> Mapping[str, Any]:
        assert archive.orthanc
        archive.orthanc.kill()
        archive.orthanc.wait()
        time.sleep(1.0)
        archive.start_orthanc()
        return {"killed": "orthanc"}

    report = verify(replace(config, load_may_fail=True), during=kill)
    assert report.problems == []
    assert report.load is not None
    assert report.load["failed_tries"] > 0
    assert report.load["given_up"] == ()
    assert 1.0 < report.load["figures"]["longest_stall_seconds"] < 20
    # The same is not good enough for a live migration.
    strict = verify(config, during=kill)
    assert not strict.ok
    assert any("tries failed" in problem for problem in strict.problems)


_UNTIL_KILLED = """
import sys
from wardstack.archive.config import VerifyConfig
from wardstack.archive.verify import verify
def told(step, done, total):
    if step.startswith("sending") and done >= 10:
        print(done, flush=True)
verify(VerifyConfig.from_json(sys.stdin.readline()), progress=told)
"""


def test_a_sender_killed_in_the_middle_goes_on_where_it_was(config: VerifyConfig) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _UNTIL_KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(config.to_json() + "\n")
        child.stdin.flush()
        child.stdout.readline()
        child.kill()
    with Ledger(config.ledger_dir) as ledger:
        before = len(ledger)
    assert 10 <= before <= 36
    report = verify(config)
    assert report.ok
    assert (report.sent["figures"]["objects"] if report.sent else 0) == 36 - before
    assert report.ledger["objects"] == 36


_FROM_OUTSIDE = """
import sys
from wardstack.archive.config import VerifyConfig
from wardstack.archive.verify import VerifyError, verify
try:
    config = VerifyConfig.from_json(sys.stdin.readline())
    report = verify(config, during=lambda: {"where": "outside"}, progress=lambda *told: None)
except VerifyError as error:
    raise SystemExit(f"VerifyError: {error}")
print(report.ok, report.during["where"], report.load["figures"]["objects"] > 0)
"""


def outside(config: VerifyConfig, machine_network: Path) -> subprocess.CompletedProcess[str]:
    """Verify from the machine's own network an archive that only the tests' network has."""
    config = replace(config, netns=f"/proc/{os.getpid()}/ns/net")
    command = ["nsenter", f"--net={machine_network}", sys.executable, "-c", _FROM_OUTSIDE]
    return subprocess.run(command, input=config.to_json() + "\n", capture_output=True, text=True, check=False)


def test_the_proof_enters_a_network_namespace_and_what_happens_stays_outside(
    config: VerifyConfig, machine_network: Path
) -> None:
    result = outside(config, machine_network)
    assert result.stdout.split() == ["True", "outside", "True"], result.stderr


def test_an_error_inside_the_namespace_is_said_outside(config: VerifyConfig, machine_network: Path) -> None:
    result = outside(replace(config, certificate=config.state_dir / "none.crt"), machine_network)
    assert "VerifyError" in result.stderr
    assert "No such file" in result.stderr


def test_an_archive_that_does_not_answer_is_said(config: VerifyConfig) -> None:
    with pytest.raises(VerifyError, match=r"no archive at 127\.0\.0\.1:2763 for 1 s"):
        verify(replace(config, dicom_port=2763, patience=1.0))


def test_two_proofs_of_one_site_at_once_are_refused(config: VerifyConfig) -> None:
    assert verify(config).ok
    with Ledger(config.ledger_dir), pytest.raises(VerifyError, match="in use"):
        verify(config)


def test_two_sites_at_once_do_not_meet(config: VerifyConfig, tmp_path: Path) -> None:
    reports: list[bool] = []
    sites = [replace(config, state_dir=tmp_path / name) for name in ("one", "two")]
    threads = [threading.Thread(target=lambda site=site: reports.append(verify(site).ok)) for site in sites]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reports == [True, True]
