"""What a verification found, as data that a document or a screen is made of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from wardstack.archive.storage import write_atomically


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        clause: Id of the clause that it measures.
        name: A sentence that is true if ``ok``.
        ok: Whether it is.
        text: What was found.
        required: False for what an archive may lack without failing the proof.
    """

    clause: str
    name: str
    ok: bool
    text: str = ""
    required: bool = True


@dataclass(frozen=True)
class Report:
    """The result of a verification; every field is plain JSON data.

    Attributes:
        ok: Everything required is true.
        changed: Objects were stored by this run.
        problems: What is not as required, in sentences.
        started: RFC 3339, UTC.
        seconds: Duration of the whole.
        run: Name of the run, as in the ledger.
        address: Floating address.
        studies: UID, patient, description and number of objects of each study
            of the proof, by key.
        ledger: Path, number of objects, bytes of a torn line cut off.
        probes: TLS probes, see :class:`wardstack.archive.probes.Probe`.
        checks: Everything else looked at.
        sent: Sending of the proof, see
            :class:`wardstack.archive.workload.SendReport`; None if the ledger
            had it all.
        load: Sending of the second study while something happened; None if
            nothing was to happen.
        during: What happened meanwhile, as told by who did it.
        clauses: Whether each clause that was measured holds, by its id.
        reading: For ``c_get`` and ``wado_rs``: comparison and figures.
        earlier: What the last sending of the proof (``sent``) and of a second
            study (``load``) came to, in this run or before it, see
            :func:`wardstack.archive.history.recall`.
        limitations: What the archive does not do, in sentences.
    """

    ok: bool
    changed: bool
    problems: list[str]
    started: str
    seconds: float
    run: str
    address: str
    studies: dict[str, dict[str, Any]]
    ledger: dict[str, Any]
    probes: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    sent: dict[str, Any] | None
    load: dict[str, Any] | None
    during: dict[str, Any] | None
    clauses: dict[str, bool]
    reading: dict[str, dict[str, Any]]
    earlier: dict[str, dict[str, Any]] = field(default_factory=dict)
    limitations: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Take a report from plain data."""
        return cls(**{item.name: values[item.name] for item in fields(cls)})

    def save(self, path: Path) -> None:
        """Write the report as JSON, replacing an earlier one at once."""
        write_atomically(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")

    def summary(self) -> list[str]:
        """Return the report in a few lines for a screen."""
        sent = self.sent["figures"]["objects"] if self.sent else 0
        verdict = "verified" if self.ok else "FAILED"
        lines = [
            f"{verdict} in {self.seconds:.1f} s at {self.address}: "
            f"{self.ledger['objects']} objects in the ledger, {sent} of the proof sent now"
        ]
        for key, study in self.studies.items():
            lines.append(f"{key}: {study['objects']} objects of {study['patient_id']}, study {study['study_uid']}")
        for name, transfer in (("sent", self.sent), ("second study", self.load)):
            if transfer:
                stall = transfer["figures"]["longest_stall_seconds"]
                tries = transfer["failed_tries"]
                lines.append(f"{name}: {_rates(transfer['figures'])}; {tries} failed tries, longest stall {stall} s")
        for name, kind, now in (("sent", "sent", self.sent), ("second study", "load", self.load)):
            if not now and kind in self.earlier:
                past = self.earlier[kind]
                lines.append(f"{name} at {past['started'][:19]}Z: {_rates(past['report']['figures'])}")
        for way, reading in self.reading.items():
            result = reading["comparison"]
            equal = f"{result['identical']} of {result['expected']} identical, {result['reencoded']} re-encoded"
            lines.append(f"{way}: {equal}; {_rates(reading['figures'])}")
        read = max((reading["comparison"]["expected"] for reading in self.reading.values()), default=0)
        if read < self.ledger["objects"]:
            lines.append(
                f"read back: {read} of {self.ledger['objects']} objects; all of them: wardstack archive verify --all"
            )
        refused = [probe for probe in self.probes if probe["expected"] == "refused"]
        count = sum(probe["ok"] for probe in refused)
        lines.append(f"TLS: {count} of {len(refused)} connections refused as they must be")
        lines += [f"problem: {problem}" for problem in self.problems]
        return lines + [f"limitation: {text}" for text in self.limitations]


def _rates(values: dict[str, Any]) -> str:
    return (
        f"{values['objects']} objects in {values['seconds']} s, {values['objects_per_second']}/s, "
        f"{values['megabytes_per_second']} MB/s, p50 {values['latency_p50_ms']} ms, p95 {values['latency_p95_ms']} ms"
    )
