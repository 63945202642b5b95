"""Figures of a run: rates, latencies, stalls."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """What a transfer achieved.

    Attributes:
        objects: Objects transferred.
        bytes: Their data sets' bytes.
        seconds: Time for all of them.
        objects_per_second: Rate.
        megabytes_per_second: Rate, 10^6 bytes a second.
        latency_p50_ms: Median of one object's time, ms.
        latency_p95_ms: 95th percentile of it, ms.
        latency_max_ms: Longest of it, ms.
        longest_stall_seconds: Longest time in which no object of any
            association was finished, from the start to the last object.
    """

    objects: int
    bytes: int
    seconds: float
    objects_per_second: float
    megabytes_per_second: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_max_ms: float
    longest_stall_seconds: float


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile.

    Args:
        values: At least one value for a result other than 0.
        share: Between 0 and 1.

    Returns:
        The smallest value such that this share of all is not above it.
    """
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[min(len(ordered), int(rank)) - 1]


def figures(
    latencies: Sequence[float],
    finished: Sequence[float],
    size: int,
    started: float,
    ended: float,
) -> Figures:
    """Work out the figures of a transfer.

    Args:
        latencies: Seconds of each object.
        finished: When each object was finished, monotonic seconds.
        size: Bytes of all data sets.
        started: When the transfer began, monotonic seconds.
        ended: When it ended, monotonic seconds.

    Returns:
        The figures, rounded for reading.
    """
    seconds = max(ended - started, 1e-9)
    return Figures(
        objects=len(latencies),
        bytes=size,
        seconds=round(seconds, 3),
        objects_per_second=round(len(latencies) / seconds, 2),
        megabytes_per_second=round(size / seconds / 1e6, 3),
        latency_p50_ms=round(percentile(latencies, 0.5) * 1000, 1),
        latency_p95_ms=round(percentile(latencies, 0.95) * 1000, 1),
        latency_max_ms=round(max(latencies, default=0.0) * 1000, 1),
        longest_stall_seconds=round(longest_gap(started, finished), 3),
    )


def longest_gap(started: float, finished: Sequence[float]) -> float:
    """Return the longest time between two successive moments.

    Args:
        started: The first moment.
        finished: The others, in any order.

    Returns:
        Seconds; 0 if nothing finished.
    """
    moments = [started, *sorted(finished)]
    return max((after - before for before, after in itertools.pairwise(moments)), default=0.0)
