"""A site's deviations (STD-10.6): dated, reasoned, approved, expiring. An expired one is an error."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from wardstack.standards.document import Node, read_document
from wardstack.standards.model import Deviation, Parameter, Standards, Value
from wardstack.standards.parameters import read_value
from wardstack.standards.problems import Problems, suggest
from wardstack.standards.reader import Reader

_NEEDED = ("clause", "reason", "risk", "approver", "approved", "expires")
_LONGEST = dt.timedelta(days=3 * 366)
"""A deviation that nobody looks at again for longer than this is a change of the standard."""


def read_deviations(path: Path, standards: Standards, today: dt.date, problems: Problems) -> tuple[Deviation, ...]:
    """Read deviations.yml; none when the file does not exist.

    Args:
        path: deviations.yml, whether it exists or not.
        standards: what is deviated from.
        today: the day on which expiry is judged.
        problems: takes what is wrong.
    """
    if not path.exists():
        return ()
    root = read_document(path, problems)
    reader = Reader(problems)
    entries = reader.mapping(root, "the file of deviations", ("deviations",)) if root else {}
    found: list[Deviation] = []
    for node in reader.items(entries.get("deviations"), "deviations"):
        deviation = _read(node, standards, today, reader)
        if deviation is None:
            continue
        for other in found:
            if (other.clause, other.parameter) == (deviation.clause, deviation.parameter):
                problems.add(
                    node.mark,
                    f"a deviation from this is given twice, first at {other.mark}",
                    "keep one",
                    deviation.clause,
                )
        found.append(deviation)
    return tuple(found)


def _read(node: Node, standards: Standards, today: dt.date, reader: Reader) -> Deviation | None:
    entries = reader.mapping(node, "a deviation", _NEEDED, ("parameter", "value"))
    problems = reader.problems
    clause = reader.text(entries.get("clause"), "clause", r"STD-\d\d\.\d+", "a clause such as STD-04.1")
    if clause and clause not in standards.clauses:
        problems.add(entries["clause"].mark, f"there is no clause {clause}", suggest(clause, standards.clauses))
    parameter = _parameter(entries, clause, standards, reader)
    value: Value | None = None
    if parameter is not None and "value" in entries:
        value = read_value(parameter, entries["value"], reader, bounded=False)
    if ("parameter" in entries) != ("value" in entries):
        problems.add(node.mark, "a deviation has a parameter and its value, or neither", "add the other one", clause)
    approved = reader.date(entries.get("approved"), "approved")
    expires = reader.date(entries.get("expires"), "expires")
    reason = reader.text(entries.get("reason"), "reason")
    risk = reader.text(entries.get("risk"), "risk")
    approver = reader.text(entries.get("approver"), "approver")
    if approved is None or expires is None:
        return None
    if approved > today:
        problems.add(
            entries["approved"].mark, f"the approval is dated {approved}, in the future", "correct the date", clause
        )
    if expires < today:
        problems.add(
            entries["expires"].mark,
            f"the deviation expired on {expires}",
            "correct the site, or have it approved anew",
            clause,
        )
    if not approved < expires <= approved + _LONGEST:
        problems.add(
            entries["expires"].mark,
            f"the deviation runs from {approved} to {expires}",
            "at most three years; longer needs a change of the standard",
            clause,
        )
    return Deviation(
        clause, parameter.name if parameter else None, value, reason, risk, approver, approved, expires, node.mark
    )


def _parameter(entries: dict[str, Node], clause: str, standards: Standards, reader: Reader) -> Parameter | None:
    node = entries.get("parameter")
    name = reader.text(node, "parameter")
    if node is None or not name:
        return None
    parameter = standards.parameters.get(name)
    if parameter is None:
        reader.problems.add(node.mark, f"there is no parameter '{name}'", suggest(name, standards.parameters), clause)
    elif clause and parameter.clause != clause:
        reader.problems.add(
            node.mark, f"the parameter '{name}' belongs to {parameter.clause}", "name that clause", clause
        )
    return parameter
