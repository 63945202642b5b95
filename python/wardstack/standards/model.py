"""Standards, clauses, parameters and deviations as typed data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from wardstack.standards.problems import Mark

Value = bool | int | str | tuple[str, ...]
"""A parameter's value."""

PARAMETER_TYPES = ("integer", "boolean", "text", "choice", "list")
ENGINES = ("libvirt", "proxmox", "openstack")
SIZES = ("small", "medium", "large")
"""Small: up to 3 hosts; medium: up to 10; large: more."""
PROOFS = ("machine", "drill", "record", "signature")
OWNERS = (
    "hospital_it", "network_team", "security_officer", "pacs_administrator", "clinical_engineering", "management",
)  # fmt: skip
SOURCES = (
    "GB/T 22239-2019", "HIPAA", "ISO/IEC 27002:2022", "IEC 80001-1:2021", "DICOM", "IHE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a clause fixes or bounds. For a list, `low` and `high` bound the number of its entries."""

    name: str
    clause: str
    mark: Mark
    type: str
    default: Value
    description: Mapping[str, str]
    unit: str = ""
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    fixed: bool = False
    """True for a boolean that only a deviation may change."""

    @property
    def bounds(self) -> str:
        """What may be chosen, in words."""
        if self.type == "integer":
            return f"{self.low} to {self.high}" + (f" {self.unit}" if self.unit else "")
        if self.type == "list":
            entries = f"{self.low} to {self.high} entries"
            return f"{entries} out of {', '.join(self.choices)}" if self.choices else entries
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.fixed:
            return f"only {str(self.default).lower()}"
        return "true or false" if self.type == "boolean" else f"a text that matches {self.pattern}"


@dataclass(frozen=True, slots=True)
class Clause:
    """One numbered, testable sentence of a standard."""

    id: str
    mark: Mark
    requirement: Mapping[str, str]
    rationale: Mapping[str, str]
    owner: str
    engines: tuple[str, ...]
    sizes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    proof: str
    implemented_by: tuple[str, ...]
    verified_by: tuple[str, ...]
    review_months: int
    mappings: Mapping[str, tuple[str, ...]]

    def applies(self, engine: str, size: str) -> bool:
        """Whether the clause holds for a site of this engine and size."""
        return engine in self.engines and size in self.sizes


@dataclass(frozen=True, slots=True)
class Standard:
    """One document."""

    id: str
    file: str
    version: str
    title: Mapping[str, str]
    purpose: Mapping[str, str]
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Standards:
    """All documents, with the clauses and parameters by name."""

    documents: tuple[Standard, ...]
    clauses: Mapping[str, Clause]
    parameters: Mapping[str, Parameter]

    def defaults(self) -> dict[str, Value]:
        """Every parameter's default."""
        return {name: parameter.default for name, parameter in self.parameters.items()}


@dataclass(frozen=True, slots=True)
class Deviation:
    """A site's dated, reasoned, approved, expiring exception to a clause."""

    clause: str
    parameter: str | None
    value: Value | None
    reason: str
    risk: str
    approver: str
    approved: dt.date
    expires: dt.date
    mark: Mark


def site_size(hosts: int) -> str:
    """Size of a site by its number of hosts, one of `SIZES`."""
    return "small" if hosts <= 3 else "medium" if hosts <= 10 else "large"
