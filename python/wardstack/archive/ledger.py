"""The ledger: what a sender was told is stored, against which loss is counted.

One JSON object a line, appended and synced to disk before the sender regards
its object as handed over. Each line ends with a checksum of itself, so that a
line torn by a crash is told from a damaged one:

- a torn last line was never reported as written, so its object is simply sent
  again; it is cut off when the ledger is opened for writing;
- anything wrong before the last line is damage and is an error.

An archive may acknowledge one object more than once (a sender whose
acknowledgement got lost sends again): identical records count once, and two
records of one SOP instance with different content are an error.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

#: Name of the ledger in its folder.
FILE_NAME = "acknowledged.jsonl"


class LedgerError(Exception):
    """The ledger cannot be trusted or used; the message names file and line."""


@dataclass(frozen=True)
class Acknowledged:
    """A C-STORE that was answered with status 0x0000.

    Attributes:
        sop_uid: SOP Instance UID.
        sop_class: SOP Class UID.
        study_uid: Study Instance UID.
        series_uid: Series Instance UID.
        patient_id: Patient ID.
        transfer_syntax: Transfer Syntax UID in which it was sent.
        size: Length of the data set as sent, bytes.
        sha256: SHA-256 of the data set as sent.
        canonical: SHA-256 of its canonical encoding.
        association: Which association carried it: local address, and the
            number of the association in that sender.
        time: When the acknowledgement came, RFC 3339, UTC.
        run: The run of the sender.
    """

    sop_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    patient_id: str
    transfer_syntax: str
    size: int
    sha256: str
    canonical: str
    association: str
    time: str
    run: str


def now() -> str:
    """Return the time as the ledger writes it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def encode_line(record: Acknowledged) -> bytes:
    """Return a record's line, newline included."""
    body = json.dumps(asdict(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{body}\t{_checksum(body)}\n".encode()


def decode_line(line: bytes) -> Acknowledged:
    """Read a line, newline included.

    Raises:
        ValueError: The line is incomplete or damaged.
    """
    if not line.endswith(b"\n"):
        raise ValueError("the line has no end")
    body, _, checksum = line[:-1].decode().rpartition("\t")
    if checksum != _checksum(body):
        raise ValueError("the checksum does not match")
    try:
        return Acknowledged(**json.loads(body))
    except TypeError as error:
        raise ValueError(str(error)) from error


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def read(path: Path) -> tuple[dict[str, Acknowledged], int]:
    """Read a ledger without changing it.

    Args:
        path: The ledger; a missing file is an empty ledger.

    Returns:
        The first record of each SOP Instance UID in the order of the file, and
        the length in bytes of what is sound (less than the file's length if
        its last line is torn).

    Raises:
        LedgerError: A line before the last is damaged, or two records of one
            instance disagree.
    """
    records: dict[str, Acknowledged] = {}
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return records, 0
    sound = 0
    for number, line in enumerate(_lines(content), 1):
        end = sound + len(line)
        try:
            record = decode_line(line)
        except ValueError as error:
            # A write is torn at its end and loses its newline; a whole line
            # that does not read was damaged later.
            if end == len(content) and not line.endswith(b"\n"):
                break
            raise LedgerError(f"{path}:{number}: {error}") from error
        earlier = records.setdefault(record.sop_uid, record)
        if _content(earlier) != _content(record):
            raise LedgerError(
                f"{path}:{number}: SOP instance {record.sop_uid} was acknowledged before with "
                f"other content (SHA-256 {earlier.sha256[:12]} and {record.sha256[:12]})"
            )
        sound = end
    return records, sound


def _lines(content: bytes) -> Iterator[bytes]:
    """Split at newlines only, keeping them."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start) + 1 or len(content)
        yield content[start:end]
        start = end


def _content(record: Acknowledged) -> tuple[str, str]:
    return record.transfer_syntax, record.sha256


class Ledger:
    """A ledger open for appending, by one process at a time, from any thread.

    Several threads that append at once share one sync to disk.

    Args:
        folder: Where the ledger lies; made if missing.

    Raises:
        LedgerError: It is damaged, or another process has it open.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / FILE_NAME
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise LedgerError(f"{self.path} is in use by another process") from error
        try:
            self._records, sound = read(self.path)
        except LedgerError:
            os.close(self._file)
            raise
        #: Bytes of a torn last line that were cut off on opening.
        self.torn = os.fstat(self._file).st_size - sound
        if self.torn:
            os.ftruncate(self._file, sound)
        os.fsync(self._file)
        _sync_folder(folder)
        self._lock = threading.Condition()
        self._written = 0
        self._synced = 0
        self._syncing = False
        self._failed: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def append(self, record: Acknowledged) -> bool:
        """Write a record and return when it is on disk.

        Args:
            record: What was acknowledged.

        Returns:
            False if the instance was acknowledged before with the same
            content; nothing is written then.

        Raises:
            LedgerError: The instance was acknowledged before with other
                content, or the disk refused the record.
        """
        with self._lock:
            earlier = self._records.get(record.sop_uid)
            if earlier is not None:
                if _content(earlier) != _content(record):
                    raise LedgerError(f"SOP instance {record.sop_uid} was acknowledged before with other content")
                return False
            line = encode_line(record)
            try:
                if os.write(self._file, line) != len(line):
                    raise OSError("short write")
            except OSError as error:
                raise LedgerError(f"{self.path}: {error}") from error
            self._records[record.sop_uid] = record
            self._written += 1
            mine = self._written
            while self._synced < mine and self._failed is None:
                if self._syncing:
                    self._lock.wait()
                else:
                    self._sync()
            if self._failed is not None:
                raise LedgerError(f"{self.path}: {self._failed}")
        return True

    def _sync(self) -> None:
        """Sync all that is written; called with the lock held, released meanwhile."""
        self._syncing = True
        target = self._written
        self._lock.release()
        failed: OSError | None = None
        try:
            os.fdatasync(self._file)
        except OSError as error:
            failed = error
        finally:
            self._lock.acquire()
            self._syncing = False
        # After a failed sync the kernel may have dropped the pages, so no
        # later sync can be believed either.
        self._failed = failed
        if failed is None:
            self._synced = target
        self._lock.notify_all()

    def __contains__(self, sop_uid: object) -> bool:
        with self._lock:
            return sop_uid in self._records

    def __len__(self) -> int:
        with self._lock:
            return len(self._records)

    def records(self) -> list[Acknowledged]:
        """Return one record for each instance, in the order of acknowledgement."""
        with self._lock:
            return list(self._records.values())


def retire(state_dir: Path) -> Path | None:
    """Put a site's ledger aside because its archive is destroyed on purpose.

    The next verification then starts with an empty ledger instead of reporting
    every object of the destroyed archive as lost.

    Args:
        state_dir: The site's state folder.

    Returns:
        Where the ledger lies now, or None if there was none.
    """
    folder = state_dir / "ledger"
    if not folder.exists():
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = state_dir / f"ledger-retired-{stamp}"
    folder.rename(target)
    _sync_folder(state_dir)
    return target


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
