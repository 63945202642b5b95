"""Objects a second through the floating address, beside dcmtk's storescp in the same run."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Self

from wardstack.archive import network
from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import Interrupted, echo, quiet
from wardstack.archive.instance import Instance
from wardstack.archive.ledger import Ledger, LedgerError, now
from wardstack.archive.reference import PeerError, storescp
from wardstack.archive.statistics import Figures, figures
from wardstack.archive.storage import write_atomically
from wardstack.archive.studies import Recipe, load, proof_kinds
from wardstack.archive.uids import derive
from wardstack.archive.workload import Workload

#: Associations in parallel that are measured.
ASSOCIATIONS = (1, 4, 8)
#: Length of one measurement, seconds.
SECONDS = 10.0

Progress = Callable[[str, int, int], None]


class BenchmarkError(Exception):
    """The benchmark could not be carried out; the message says why."""


@dataclass(frozen=True)
class Measurement:
    """One peer at one number of associations.

    Attributes:
        peer: ``archive`` or ``storescp``.
        associations: In parallel, each in a process of its own.
        figures: What was achieved.
        failed_tries: Tries that did not end in an acknowledgement.
        failures: What happened in the first of them.
    """

    peer: str
    associations: int
    figures: Figures
    failed_tries: int
    failures: list[str]


@dataclass(frozen=True)
class BenchmarkReport:
    """All measurements of a run, as plain JSON data.

    Attributes:
        started: RFC 3339, UTC.
        address: The archive's floating address.
        object_bytes: Size of one object's data set.
        cpus: Processors of the machine that sent.
        load_average: Processes waiting for a processor, at start, last minute:
            a busy machine measures itself.
        measurements: See :class:`Measurement`, as plain data.
    """

    started: str
    address: str
    object_bytes: int
    cpus: int
    load_average: float
    measurements: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Take a report from plain data."""
        return cls(**{item.name: values[item.name] for item in fields(cls)})

    def summary(self) -> list[str]:
        """Return the report as lines of a Markdown table."""
        lines = [
            f"{self.started[:19]}Z, objects of {self.object_bytes / 1000:.0f} KB over mutual TLS, "
            f"{self.cpus} processors, load {self.load_average:.1f}",
            "",
            "| associations | storescp, objects/s | archive, objects/s | share | archive p50, p95 ms | failed tries |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for count in dict.fromkeys(item["associations"] for item in self.measurements):
            peers = {item["peer"]: item for item in self.measurements if item["associations"] == count}
            floor, ours = (peers[name]["figures"] for name in ("storescp", "archive"))
            share = ours["objects_per_second"] / max(floor["objects_per_second"], 1e-9)
            lines.append(
                f"| {count} | {floor['objects_per_second']} | {ours['objects_per_second']} | {share:.0%} "
                f"| {ours['latency_p50_ms']}, {ours['latency_p95_ms']} | {peers['archive']['failed_tries']} |"
            )
        return lines


def benchmark(
    config: VerifyConfig,
    progress: Progress | None = None,
    associations: tuple[int, ...] = ASSOCIATIONS,
    seconds: float = SECONDS,
) -> BenchmarkReport:
    """Measure the archive and storescp alternately, with the same sender.

    The objects stay in the archive, in a study of their own under a Patient ID
    of their own; they are in no ledger.

    Args:
        config: Where the archive is; ``matrix`` is the size of the slices.
        progress: Told what is being measured.
        associations: What to measure.
        seconds: Length of one measurement.

    Returns:
        The report; it is also written to ``last-benchmark.json`` in the
        site's state folder.

    Raises:
        BenchmarkError: The archive does not answer, or dcmtk is missing.
    """
    tell = progress or (lambda step, done, total: None)
    try:
        if network.outside(config.netns):
            options = {"associations": list(associations), "seconds": seconds}
            report = BenchmarkReport.from_dict(network.call("benchmark", config, None, tell, options))
        else:
            report = _run(config, tell, associations, seconds)
    except (OSError, LedgerError, Interrupted, PeerError, network.ChildError) as error:
        raise BenchmarkError(str(error)) from error
    write_atomically(config.state_dir / "last-benchmark.json", json.dumps(report.to_dict(), indent=2) + "\n")
    return report


def _run(config: VerifyConfig, tell: Progress, associations: tuple[int, ...], seconds: float) -> BenchmarkReport:
    quiet()
    echo(config)
    started, busy = now(), os.getloadavg()[0]
    recipe = Recipe(uuid.uuid4(), matrix=config.matrix)
    measurements: list[Measurement] = []
    total = 2 * len(associations)
    with tempfile.TemporaryDirectory() as name, storescp(config, Path(name)) as reference:
        for count in associations:
            # Alternately, so that whatever else the machine does meets both.
            for peer, where in (("storescp", reference), ("archive", config)):
                tell(f"{peer}, {count} associations", len(measurements), total)
                measurements.append(_measure(peer, where, recipe, count, seconds))
    tell("done", total, total)
    size = len(next(load(recipe, "size")).data)
    plain = [asdict(item) for item in measurements]
    return BenchmarkReport(started, config.address, size, os.cpu_count() or 1, round(busy, 2), plain)


def _measure(peer: str, config: VerifyConfig, recipe: Recipe, associations: int, seconds: float) -> Measurement:
    """Send from one process for each association: one interpreter would be the limit."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(associations)
    jobs = [
        _Job(replace(config, associations=1), recipe, f"{peer}-{associations}-{number}", seconds)
        for number in range(associations)
    ]
    with context.Pool(associations, _set_start, (start,)) as pool:
        results = pool.map(_send, jobs, chunksize=1)
    latencies = [value for result in results for value in result.latencies]
    finished = [value for result in results for value in result.finished]
    began = min(result.began for result in results)
    size = sum(result.size for result in results)
    ended = max(finished, default=began)
    failed = sum(result.failed_tries for result in results)
    texts = [text for result in results for text in result.failures]
    return Measurement(peer, associations, figures(latencies, finished, size, began, ended), failed, texts)


@dataclass(frozen=True)
class _Job:
    config: VerifyConfig
    recipe: Recipe
    run: str
    seconds: float


@dataclass(frozen=True)
class _Sent:
    latencies: list[float]
    finished: list[float]
    began: float
    size: int
    failed_tries: int
    failures: list[str]


_start: Barrier | None = None


def _set_start(start: Barrier) -> None:
    global _start  # noqa: PLW0603 - the one way by which a pool hands over a barrier
    _start = start


def _send(job: _Job) -> _Sent:
    quiet()
    template = next(load(job.recipe, job.run))
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
        workload = Workload(job.config, _copies(template, job), proof_kinds(), ledger, job.run)
        assert _start is not None
        _start.wait()
        # Clocks of all processes of a machine agree: CLOCK_MONOTONIC.
        began = time.monotonic()
        timer = threading.Timer(job.seconds, stop.set)
        timer.start()
        report = workload.run_until(stop)
        timer.cancel()
        latencies, finished = workload.moments()
    texts = [item.text for item in report.failures]
    return _Sent(latencies, finished, began, report.figures.bytes, report.failed_tries, texts)


def _copies(template: Instance, job: _Job) -> Iterator[Instance]:
    """Objects that differ in their UID alone, made fast enough not to be measured."""
    for number in itertools.count():
        uid = derive(job.recipe.seed, job.run, "copy", number)
        if len(uid) == len(template.sop_uid):
            yield template.relabelled(uid)
