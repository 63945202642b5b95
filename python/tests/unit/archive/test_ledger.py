"""The ledger under crashes, repetitions and damage."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardstack.archive.ledger import (
    FILE_NAME,
    Acknowledged,
    Ledger,
    LedgerError,
    decode_line,
    encode_line,
    read,
    retire,
)

texts = st.text(max_size=12)
records = st.builds(
    Acknowledged,
    sop_uid=st.integers(1, 12).map(lambda number: f"2.25.{number}"),
    sop_class=st.just("1.2.840.10008.5.1.4.1.1.2"),
    study_uid=st.just("2.25.1"),
    series_uid=st.just("2.25.2"),
    patient_id=texts,
    transfer_syntax=st.just("1.2.840.10008.1.2.1"),
    size=st.integers(0, 2**40),
    sha256=st.just("0" * 64),
    canonical=st.just("0" * 64),
    association=texts,
    time=texts,
    run=texts,
)


def record(number: int, **changes: object) -> Acknowledged:
    """A record of an object with this number."""
    uid = f"2.25.{number}"
    plain = Acknowledged(
        uid, "1.2", "2.25.1", "2.25.2", "P", "1.2.1", 7, f"{number:064x}", f"{number:064x}", "a/1", "now", "r"
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@given(records)
def test_a_line_is_read_as_it_was_written(one: Acknowledged) -> None:
    line = encode_line(one)
    assert line.count(b"\n") == 1
    assert decode_line(line) == one


@given(st.lists(records, max_size=10))
def test_each_object_counts_once_in_the_order_of_its_first_record(some: list[Acknowledged]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Ledger(Path(folder)) as ledger:
            news = [ledger.append(one) for one in some]
        found, _ = read(Path(folder) / FILE_NAME)
    first = {one.sop_uid: one for one in reversed(some)}
    assert found == first
    assert list(found) == list(dict.fromkeys(one.sop_uid for one in some))
    assert sum(news) == len(first)


@given(st.lists(records, min_size=1, max_size=6, unique_by=lambda one: one.sop_uid), st.data())
def test_a_ledger_cut_anywhere_keeps_all_whole_lines_and_goes_on(some: list[Acknowledged], data: st.DataObject) -> None:
    lines = [encode_line(one) for one in some]
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    whole = 0
    while whole < len(lines) and sum(map(len, lines[: whole + 1])) <= cut:
        whole += 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        path.write_bytes(content[:cut])
        with Ledger(Path(folder)) as ledger:
            assert ledger.records() == some[:whole]
            assert ledger.torn == cut - sum(map(len, lines[:whole]))
            for one in some:
                ledger.append(one)
        # What was cut off is not left between the lines.
        assert path.read_bytes() == content


@given(st.permutations([record(1), record(2), record(1, time="later"), record(3)]))
def test_the_order_of_lines_does_not_matter(some: list[Acknowledged]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        path.write_bytes(b"".join(encode_line(one) for one in some))
        found, sound = read(path)
        assert set(found) == {"2.25.1", "2.25.2", "2.25.3"}
        assert sound == path.stat().st_size


@settings(max_examples=60)
@given(st.integers(0, 2), st.data())
def test_a_changed_byte_is_never_taken_for_a_record(line: int, data: st.DataObject) -> None:
    lines = [encode_line(record(number)) for number in (1, 2, 3)]
    content = bytearray(b"".join(lines))
    # Not the newline: without it the last line is torn, which is no damage.
    place = sum(map(len, lines[:line])) + data.draw(st.integers(0, len(lines[line]) - 2))
    content[place] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        path.write_bytes(content)
        with pytest.raises(LedgerError, match=rf"{FILE_NAME}:[123]: "):
            read(path)


def test_other_content_under_a_known_uid_is_an_error(tmp_path: Path) -> None:
    other = record(1, sha256="f" * 64)
    with Ledger(tmp_path) as ledger:
        ledger.append(record(1))
        with pytest.raises(LedgerError, match="other content"):
            ledger.append(other)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(encode_line(other))
    with pytest.raises(LedgerError, match="acknowledged before with other content"):
        Ledger(tmp_path)


def test_two_processes_cannot_write_one_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path), pytest.raises(LedgerError, match="in use"):
        Ledger(tmp_path)
    with Ledger(tmp_path):
        pass


def test_threads_share_a_ledger_and_lose_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        threads = [
            threading.Thread(
                target=lambda start=start: [ledger.append(record(number)) for number in range(start, start + 50)]
            )
            for start in (0, 50, 25, 100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ledger) == 150
    found, _ = read(tmp_path / FILE_NAME)
    assert len(found) == 150


_WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from wardstack.archive.ledger import Acknowledged, Ledger
with Ledger(Path(sys.argv[1])) as ledger:
    for number in range(10**6):
        ledger.append(Acknowledged(f"2.25.{number}", "1", "2", "3", "P", "1", 7, "0" * 64, "0" * 64, "a", "now", "r"))
        print(number, flush=True)
"""


def test_what_a_killed_writer_reported_is_in_the_ledger(tmp_path: Path) -> None:
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            for _ in range(20):
                writer.stdout.readline()
            time.sleep(0.01)
            writer.send_signal(signal.SIGKILL)
            told = [int(line) for line in writer.stdout.read().split() if line]
        with Ledger(tmp_path) as ledger:
            assert len(ledger) >= max(told, default=19) + 1


def test_a_retired_ledger_is_kept_and_a_new_one_is_empty(tmp_path: Path) -> None:
    assert retire(tmp_path) is None
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.append(record(1))
    kept = retire(tmp_path)
    assert kept is not None
    assert len(read(kept / FILE_NAME)[0]) == 1
    with Ledger(tmp_path / "ledger") as ledger:
        assert len(ledger) == 0


def test_the_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        assert ledger.path.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "ledger").stat().st_mode & 0o777 == 0o700
