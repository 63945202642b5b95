"""The proof that an archive keeps what it acknowledges, and whom it refuses."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from wardstack.archive import network
from wardstack.archive.config import SOME_OBJECTS, VerifyConfig
from wardstack.archive.dimse import Interrupted, echo, quiet
from wardstack.archive.finding import check_finding, check_inventory, search_by_dimse, search_by_web
from wardstack.archive.history import recall, remember
from wardstack.archive.ledger import Acknowledged, Ledger, LedgerError, now
from wardstack.archive.patient import PATIENTS
from wardstack.archive.probes import probe_all
from wardstack.archive.reading import READERS, read_back
from wardstack.archive.report import Check, Report
from wardstack.archive.seed import site_seed
from wardstack.archive.studies import Recipe, load, proof, proof_counts, proof_kinds, study_uid
from wardstack.archive.verdict import Findings
from wardstack.archive.web import Web, anonymous_status
from wardstack.archive.workload import SendReport, Workload

#: Called with step, objects done, objects in all (0: not known).
Progress = Callable[[str, int, int], None]
#: Something to do while the second study is sent; returns what it did.
During = Callable[[], Mapping[str, Any]]


class VerifyError(Exception):
    """The proof could not be carried out; the message says why."""


def verify(config: VerifyConfig, during: During | None = None, progress: Progress | None = None) -> Report:
    """Prove an archive from outside, as devices and auditors see it.

    Objects that the ledger already has are not sent again: they are read back
    and compared, which is the stronger statement the older they are.

    Args:
        config: Where the archive is and as whom to speak to it. With
            ``netns`` the proof runs in a process inside that network
            namespace; ``during`` and ``progress`` stay in this one.
        during: Called once while a second study is being sent.
        progress: Told how far the proof is.

    Returns:
        The report; ``ok`` tells whether the archive is proven.

    Raises:
        VerifyError: The proof could not be carried out at all: no archive
            within ``patience``, missing certificates, a damaged ledger.
    """
    tell = progress or (lambda step, done, total: None)
    if network.outside(config.netns):
        try:
            return Report.from_dict(network.call("verify", config, during, tell))
        except network.ChildError as error:
            raise VerifyError(str(error)) from error
    try:
        return _Verification(config, tell).run(during)
    except (OSError, ValueError, LedgerError, Interrupted) as error:
        raise VerifyError(str(error)) from error


class _Verification:
    def __init__(self, config: VerifyConfig, tell: Progress) -> None:
        quiet()
        self._config = config
        self._tell = tell
        self._recipe = Recipe(site_seed(config.ledger_dir), matrix=config.matrix, ct_slices=config.ct_slices)
        self._run = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"
        self._checks: list[Check] = []

    def run(self, during: During | None) -> Report:
        started, began = now(), time.monotonic()
        self._wait_for_archive()
        self._tell("connections that must be refused", 0, 0)
        probes = probe_all(self._config)
        self._check_anonymous()
        with Ledger(self._config.ledger_dir) as ledger:
            sent = self._send_proof(ledger)
            load_report, event = self._send_load(ledger, during)
            records = ledger.records()
            self._find(records)
            reading = self._read(records, nothing_sent=sent is None and load_report is None)
            torn = ledger.torn
        findings = Findings(self._config, probes, self._checks, sent, load_report, event, reading)
        problems = findings.problems()
        sent_data, load_data = _plain(sent), _plain(load_report)
        if sent_data:
            self._remember("sent", sent_data, None, started, problems)
        if load_data:
            self._remember("load", load_data, event, started, problems)
        return Report(
            ok=not problems,
            changed=any(part is not None and part.acknowledged for part in (sent, load_report)),
            problems=problems,
            started=started,
            seconds=round(time.monotonic() - began, 2),
            run=self._run,
            address=self._config.address,
            studies=self._studies(),
            ledger={"path": str(ledger.path), "objects": len(records), "torn_bytes": torn},
            probes=[asdict(probe) for probe in probes],
            checks=[asdict(check) for check in self._checks],
            sent=sent_data,
            load=load_data,
            during=event,
            clauses=findings.clauses(),
            reading=reading,
            earlier=recall(self._config.ledger_dir),
            limitations=findings.limitations(),
        )

    def _remember(
        self, kind: str, report: dict[str, Any], event: dict[str, Any] | None, started: str, problems: list[str]
    ) -> None:
        entry = {"started": started, "run": self._run, "ok": not problems, "report": report, "during": event}
        remember(self._config.ledger_dir, kind, entry)

    def _wait_for_archive(self) -> None:
        """Send C-ECHO until it is answered, as long as patience lasts."""
        end = time.monotonic() + self._config.patience
        while True:
            self._tell("waiting for the archive", 0, 0)
            try:
                echo(self._config)
                return
            except Interrupted as error:
                if time.monotonic() > end:
                    place = f"{self._config.address}:{self._config.dicom_port}"
                    raise VerifyError(f"no archive at {place} for {self._config.patience:g} s: {error}") from error
            time.sleep(1.0)

    def _check_anonymous(self) -> None:
        answer = anonymous_status(self._config)
        refused = answer in ("HTTP 401", "HTTP 403") or "ALERT" in answer
        self._checks.append(Check("STD-07.3", "DICOMweb refuses a client without credentials", refused, answer))

    def _send_proof(self, ledger: Ledger) -> SendReport | None:
        """Send what the ledger lacks of the proof; None if it lacks nothing."""
        counts = proof_counts(self._recipe)
        stored = Counter(record.study_uid for record in ledger.records())
        if all(stored[study_uid(self._recipe, key)] == count for key, count in counts.items()):
            return None
        total = sum(counts.values())
        workload = Workload(self._config, proof(self._recipe), proof_kinds(), ledger, self._run)
        return workload.send(lambda done: self._tell("sending five studies", done, total))

    def _send_load(self, ledger: Ledger, during: During | None) -> tuple[SendReport | None, dict[str, Any] | None]:
        """Send a second study from before something happens until after it."""
        if during is None:
            return None, None
        workload = Workload(self._config, load(self._recipe, self._run), proof_kinds(), ledger, self._run)
        stop = threading.Event()
        results: list[SendReport] = []
        errors: list[BaseException] = []

        def send() -> None:
            try:
                results.append(
                    workload.run_until(stop, lambda done: self._tell("sending a second study meanwhile", done, 0))
                )
            except BaseException as error:
                errors.append(error)

        sender = threading.Thread(target=send, name="load")
        sender.start()
        few = max(1, self._config.load_minimum // 2)
        try:
            self._wait_until(sender, lambda: workload.acknowledged >= few)
            began = workload.acknowledged
            event = dict(during())
            # What counts is that it goes on afterwards, so some more follow.
            event["acknowledged_meanwhile"] = workload.acknowledged - began
            goal = max(workload.acknowledged + few, self._config.load_minimum)
            self._wait_until(sender, lambda: workload.acknowledged >= goal)
        finally:
            stop.set()
            sender.join()
        if errors:
            raise errors[0]
        return results[0], event

    def _wait_until(self, sender: threading.Thread, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + 2 * self._config.patience
        while sender.is_alive() and not reached() and time.monotonic() < end:
            time.sleep(0.05)

    def _find(self, records: list[Acknowledged]) -> None:
        self._tell("finding", 0, 0)
        self._checks += check_finding("C-FIND", search_by_dimse(self._config), self._recipe, required_scripts=True)
        with Web(self._config) as web:
            # Orthanc does not decode percent-encoded values of a search, so
            # this cannot be asked of it; it is looked at and told.
            self._checks += check_finding("QIDO-RS", search_by_web(web), self._recipe, required_scripts=False)
        self._checks.append(check_inventory(self._config, self._recipe, records))

    def _read(self, records: list[Acknowledged], *, nothing_sent: bool) -> dict[str, dict[str, Any]]:
        """Read in all ways at once, as viewers do; a way alone would leave processors waiting."""
        ours = {study_uid(self._recipe, key) for key in proof_counts(self._recipe)}
        everything = self._config.read == "all"
        chosen = [item for item in records if everything or item.study_uid in ours or item.run == self._run]
        if self._config.read == "some" and nothing_sent:
            size = Counter(item.series_uid for item in chosen)
            chosen = [item for item in chosen if size[item.series_uid] <= SOME_OBJECTS]
        done = dict.fromkeys(READERS, 0)

        def read(name: str) -> dict[str, Any]:
            def tell(count: int) -> None:
                done[name] = count
                self._tell("reading back by C-GET and WADO-RS", sum(done.values()), len(done) * len(chosen))

            tell(0)
            return read_back(self._config, READERS[name], chosen, tell)

        with ThreadPoolExecutor(len(READERS)) as pool:
            return dict(zip(READERS, pool.map(read, READERS), strict=True))

    def _studies(self) -> dict[str, dict[str, Any]]:
        return {
            key: {
                "study_uid": study_uid(self._recipe, key),
                "patient_id": PATIENTS[key].identifier(self._recipe.prefix),
                "patient_name": PATIENTS[key].name,
                "objects": count,
            }
            for key, count in proof_counts(self._recipe).items()
        }


def _plain(report: SendReport | None) -> dict[str, Any] | None:
    """The report as data; the list of what was sent is in the ledger already."""
    return {**asdict(report), "acknowledged": len(report.acknowledged)} if report else None
