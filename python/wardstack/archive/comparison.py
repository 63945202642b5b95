"""What the archive gave back, beside what the ledger says was handed over."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from wardstack.archive.canonical import canonical_digest
from wardstack.archive.ledger import Acknowledged


@dataclass(frozen=True)
class Comparison:
    """The result of reading objects back in one way.

    Attributes:
        expected: Objects that the ledger says were acknowledged.
        identical: Data sets returned with exactly the bytes that were sent.
        reencoded: Data sets whose bytes differ, but with every element, value
            and item the same: only the encoding of lengths changed.
        different: SOP Instance UIDs returned with another content or in
            another transfer syntax than sent.
        missing: SOP Instance UIDs not returned.
        unexpected: SOP Instance UIDs returned that the ledger does not have.
        repeated: Objects returned more than once.
    """

    expected: int
    identical: int
    reencoded: int
    different: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    repeated: int

    @property
    def ok(self) -> bool:
        """Nothing is lost and nothing is changed."""
        return not self.different and not self.missing


class Comparer:
    """Takes what comes back, from any thread, and compares it.

    Args:
        expected: The ledger's records of the objects that are read back.
    """

    def __init__(self, expected: Iterable[Acknowledged]) -> None:
        self._expected = {record.sop_uid: record for record in expected}
        self._lock = threading.Lock()
        self._verdicts: dict[str, str] = {}
        self._repeated = 0

    def take(self, sop_uid: str, transfer_syntax: str, data: bytes) -> None:
        """Compare one returned data set.

        Args:
            sop_uid: SOP Instance UID under which it was returned.
            transfer_syntax: Transfer syntax in which it was returned.
            data: The data set's bytes, without file meta header.
        """
        verdict = self._judge(sop_uid, transfer_syntax, data)
        with self._lock:
            earlier = self._verdicts.get(sop_uid)
            if earlier is None:
                self._verdicts[sop_uid] = verdict
                return
            self._repeated += 1
            # Of several answers the worst counts.
            if verdict == "different":
                self._verdicts[sop_uid] = verdict

    def _judge(self, sop_uid: str, transfer_syntax: str, data: bytes) -> str:
        record = self._expected.get(sop_uid)
        if record is None:
            return "unexpected"
        if transfer_syntax != record.transfer_syntax:
            return "different"
        if hashlib.sha256(data).hexdigest() == record.sha256:
            return "identical"
        try:
            same = canonical_digest(data, transfer_syntax) == record.canonical
        except Exception:
            # Whatever a reader makes of damaged bytes, it is a difference.
            same = False
        return "reencoded" if same else "different"

    def result(self) -> Comparison:
        """Return what was found so far; what did not come is missing."""
        with self._lock:
            verdicts = dict(self._verdicts)
        uids = {
            kind: tuple(sorted(uid for uid, verdict in verdicts.items() if verdict == kind))
            for kind in ("identical", "reencoded", "different", "unexpected")
        }
        return Comparison(
            expected=len(self._expected),
            identical=len(uids["identical"]),
            reencoded=len(uids["reencoded"]),
            different=uids["different"],
            missing=tuple(sorted(set(self._expected) - set(verdicts))),
            unexpected=uids["unexpected"],
            repeated=self._repeated,
        )
