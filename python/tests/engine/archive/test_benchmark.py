"""The benchmark runs against a real archive and a real storescp, and says what it measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.archive.rig import Archive
from wardstack.archive.benchmark import BenchmarkError, BenchmarkReport, benchmark


def test_archive_and_storescp_are_measured_in_one_run(archive: Archive, state: Path) -> None:
    config = replace(archive.config, state_dir=state, matrix=32)
    report = benchmark(config, associations=(1, 2), seconds=1.0)
    assert [(item["peer"], item["associations"]) for item in report.measurements] == [
        ("storescp", 1),
        ("archive", 1),
        ("storescp", 2),
        ("archive", 2),
    ]
    assert all(item["figures"]["objects"] > 0 for item in report.measurements)
    assert all(item["failed_tries"] == 0 for item in report.measurements)
    assert (state / "last-benchmark.json").exists()
    assert BenchmarkReport.from_dict(report.to_dict()).summary()[-1].startswith("| 2 | ")


def test_an_archive_that_does_not_answer_is_said(archive: Archive, state: Path) -> None:
    with pytest.raises(BenchmarkError, match="no association"):
        benchmark(replace(archive.config, state_dir=state, dicom_port=2763))
