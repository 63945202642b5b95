"""Reading series back in parallel, by C-GET and by WADO-RS, and comparing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from wardstack.archive.comparison import Comparer
from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import Interrupted
from wardstack.archive.instance import parse, split_part10
from wardstack.archive.ledger import Acknowledged
from wardstack.archive.retrieve import get_series
from wardstack.archive.statistics import figures
from wardstack.archive.web import Web, WebError

#: How often a reader asks again for a series that did not come.
TRIES = 3

Reader = Callable[[VerifyConfig, Sequence[Acknowledged], Comparer], None]


def web_series(config: VerifyConfig, records: Sequence[Acknowledged], comparer: Comparer) -> None:
    """Read one series by WADO-RS and compare what comes.

    Args:
        config: Where from.
        records: The ledger's records of the series, at least one.
        comparer: Takes each data set as it was received.

    Raises:
        WebError: The request failed, or the answer is no multipart of DICOM files.
    """
    with Web(config) as web:
        files = web.series(records[0].study_uid, records[0].series_uid)
    for content in files:
        try:
            syntax, data = split_part10(content)
            uid = str(parse(data, syntax).SOPInstanceUID)
        except (ValueError, AttributeError) as error:
            raise WebError(f"a part is no DICOM file: {error}") from error
        comparer.take(uid, syntax, data)


READERS: dict[str, Reader] = {"c_get": get_series, "wado_rs": web_series}


def read_back(
    config: VerifyConfig, reader: Reader, records: Iterable[Acknowledged], progress: Callable[[int], None]
) -> dict[str, Any]:
    """Read all series of some records in one way.

    Args:
        config: Where from, and with how many readers in parallel.
        reader: The way, one of :data:`READERS`.
        records: What has to come back.
        progress: Called with the number of objects asked for so far.

    Returns:
        ``comparison``, ``figures`` (latency: of a series) and ``errors``, all plain data.
    """
    series: dict[str, list[Acknowledged]] = {}
    for record in records:
        series.setdefault(record.series_uid, []).append(record)
    comparer = Comparer(record for part in series.values() for record in part)
    errors: list[str] = []
    latencies: list[float] = []
    finished: list[float] = []

    def read(part: list[Acknowledged]) -> None:
        began = time.monotonic()
        for last in (False,) * (TRIES - 1) + (True,):
            try:
                reader(config, part, comparer)
                break
            except (Interrupted, WebError, ValueError) as error:
                errors.append(f"series {part[0].series_uid}: {error}")
                if not last:
                    time.sleep(0.5)
        finished.append(time.monotonic())
        latencies.append(finished[-1] - began)
        progress(sum(len(item) for item in series.values() if item[0].series_uid in done) + len(part))
        done.add(part[0].series_uid)

    done: set[str] = set()
    started = time.monotonic()
    # The longest first, so that the end is not spent waiting for it.
    order = sorted(series.values(), key=len, reverse=True)
    with ThreadPoolExecutor(config.associations) as pool:
        list(pool.map(read, order))
    comparison = comparer.result()
    size = sum(record.size for part in series.values() for record in part)
    result = asdict(figures(latencies, finished, size, started, max(finished, default=started)))
    # Latency is that of a series; objects and rate are those of objects.
    result["objects"] = comparison.expected - len(comparison.missing)
    result["objects_per_second"] = round(result["objects"] / max(result["seconds"], 1e-9), 2)
    return {"comparison": {**asdict(comparison), "ok": comparison.ok}, "figures": result, "errors": errors}
