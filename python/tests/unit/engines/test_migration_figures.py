"""What libvirt tells of a migration, as libvirt 11.3 printed it in the lab."""

from __future__ import annotations

from wardstack.engines.libvirt.agent.cluster import figures_of

MIGRATED = """Job type: 3

operation: 4
time_elapsed: 12127
downtime: 410
data_total: 1343234048
data_processed: 536110204
"""


def test_a_migration_is_recognised_with_its_pause_and_what_was_sent() -> None:
    assert figures_of(MIGRATED) == {"downtime_ms": 410.0, "transferred_mib": 536110204 / (1 << 20)}


def test_a_vm_that_was_started_here_was_not_migrated() -> None:
    assert figures_of("Job type: 0\n\n") is None
    assert figures_of("") is None


def test_a_migration_whose_pause_was_not_measured_is_one_all_the_same() -> None:
    assert figures_of("Job type: 3\n\noperation: 4\n") == {"downtime_ms": None, "transferred_mib": None}
