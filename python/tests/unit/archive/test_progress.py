"""The progress file: written by all readers at once, read by a display."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wardstack.archive.progress import FILE_NAME, ProgressFile


def test_readers_at_once_do_not_take_the_file_from_each_other(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, interval=0.0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: progress(f"step {number % 8}", number, 400), range(400)))
    told = json.loads((tmp_path / "progress" / FILE_NAME).read_text())
    assert told["total"] == 400
    progress.close()
    assert list((tmp_path / "progress").iterdir()) == []
