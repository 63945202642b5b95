"""From what was found to what it means: problems in sentences, and clauses that hold or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wardstack.archive.config import VerifyConfig
from wardstack.archive.probes import Probe
from wardstack.archive.report import Check
from wardstack.archive.workload import SendReport


@dataclass(frozen=True)
class Findings:
    """Everything that a verification found.

    Attributes:
        config: What was asked for.
        probes: Connections that must be refused or served.
        checks: Everything else looked at.
        sent: Sending of the proof, None if nothing was to be sent.
        load: Sending of a second study while something happened, None if
            nothing happened.
        event: What happened meanwhile.
        reading: Comparison, figures and errors of each way of reading.
    """

    config: VerifyConfig
    probes: Sequence[Probe]
    checks: Sequence[Check]
    sent: SendReport | None
    load: SendReport | None
    event: dict[str, Any] | None
    reading: dict[str, dict[str, Any]]

    def problems(self) -> list[str]:
        """Say what is not as required."""
        problems = [
            f"{item.name} on port {item.port}: {item.outcome} ({item.how})" for item in self.probes if not item.ok
        ]
        problems += [f"not so: {item.name} ({item.text})" for item in self.checks if item.required and not item.ok]
        for name, report in (("the proof", self.sent), ("the second study", self.load)):
            if report is not None and report.given_up:
                problems.append(f"sending {name}: {len(report.given_up)} objects never acknowledged, {_first(report)}")
        if self.load is not None:
            if self.load.failed_tries and not self.config.load_may_fail:
                tries = self.load.failed_tries
                problems.append(f"sending the second study: {tries} tries failed, {_first(self.load)}")
            if len(self.load.acknowledged) < self.config.load_minimum:
                problems.append(f"only {len(self.load.acknowledged)} objects of the second study were acknowledged")
        for name, result in self.reading.items():
            read = result["comparison"]
            if not read["ok"]:
                text = f"{len(read['missing'])} objects missing, {len(read['different'])} different"
                problems.append(f"{name}: {text}, of {read['expected']}; {'; '.join(result['errors'][:1])}")
        return problems + self._pause()

    def clauses(self) -> dict[str, bool]:
        """Tell whether each clause holds, by what was measured of it."""
        results = [(item.clause, item.ok) for item in self.probes]
        results += [(item.clause, item.ok) for item in self.checks if item.required]
        kept = all(result["comparison"]["ok"] for result in self.reading.values())
        results += [("STD-06.9", kept), ("STD-06.4", kept)]
        # Everything was done under one title at one address.
        results.append(("STD-06.3", all(item.ok for item in self.probes if item.expected == "served")))
        if self.load is not None and not self.config.load_may_fail:
            unharmed = not self.load.failed_tries and not self.load.given_up
            results.append(("STD-03.3", unharmed and not self._pause()))
        clauses: dict[str, bool] = {}
        for clause, ok in results:
            clauses[clause] = clauses.get(clause, True) and ok
        return dict(sorted(clauses.items()))

    def limitations(self) -> list[str]:
        """Say what the archive does not do and need not."""
        return [f"{item.name}: no ({item.text})" for item in self.checks if not item.ok and not item.required]

    def _pause(self) -> list[str]:
        limit, pause = self.config.max_downtime_ms, (self.event or {}).get("downtime_ms")
        if not limit or pause is None or pause <= limit:
            return []
        return [f"the virtual machine paused for {pause:g} ms while it migrated; the standard allows {limit:g} ms"]


def _first(report: SendReport) -> str:
    return f"first: {report.failures[0].text}" if report.failures else "no failure recorded"
