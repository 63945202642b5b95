"""Figures of a transfer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wardstack.archive.statistics import figures, longest_gap, percentile

times = st.floats(0, 1000)


@given(st.lists(times, min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values: list[float], share: float) -> None:
    result = percentile(values, share)
    assert result in values
    assert sum(value <= result for value in values) >= share * len(values) - 1e-6


@given(times, st.lists(times))
def test_the_longest_gap_ignores_the_order(start: float, moments: list[float]) -> None:
    later = [start + moment for moment in moments]
    assert longest_gap(start, later) == longest_gap(start, later[::-1])
    assert longest_gap(start, later) <= max(later, default=start) - start


def test_figures_of_a_transfer_of_four_objects() -> None:
    result = figures([0.1, 0.2, 0.3, 0.4], [1.0, 1.5, 4.0, 5.0], 4_000_000, 1.0, 5.0)
    assert (result.objects_per_second, result.megabytes_per_second) == (1.0, 1.0)
    assert (result.latency_p50_ms, result.latency_p95_ms, result.latency_max_ms) == (200.0, 400.0, 400.0)
    assert result.longest_stall_seconds == 2.5


def test_nothing_transferred_gives_zeros() -> None:
    assert figures([], [], 0, 1.0, 1.0).objects_per_second == 0
