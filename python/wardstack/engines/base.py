"""The protocol that every engine speaks, and the plain data that crosses it.

An engine observes a whole cloud at once, in normalised form, and applies one
action at a time. It decides nothing: the difference is computed by
`wardstack.plan`, once, for all engines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from wardstack.blueprint.model import Blueprint, Resource

Attributes = Mapping[str, Any]
"""Normalised attributes of one resource: JSON data with sorted keys, compared with ``==``."""

Operation = Literal["create", "update", "delete", "restart"]

Report = Callable[[str], None]
"""Called with a short sentence when an action begins a step that takes seconds."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that makes a change impossible, known before the first change.

    Attributes:
        where: a host, a file or a resource id.
        what: what is wrong, one sentence without a final full stop.
        fix: what a person does about it.
        missing: the software that would answer is not installed yet. Check
            mode on a bare host meets this, and it is no error there.
    """

    where: str
    what: str
    fix: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}"


class EngineError(Exception):
    """A change failed, or cannot begin. The message names every problem and what to do.

    Attributes:
        problems: each of them, in the order found.
    """

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step of a plan.

    Attributes:
        op: what is done. ``restart`` changes nothing but what already waits for one.
        id: ``kind/name`` of the resource.
        before: normalised attributes as observed, None when it does not exist.
        after: normalised attributes as desired, None for a deletion.
        clauses: ids of the clauses that ask for it.
        reason: one sentence for a person.
        interrupts: a running VM stops for a while.
        destroys: data is gone afterwards.
    """

    op: Operation
    id: str
    before: Attributes | None
    after: Attributes | None
    clauses: tuple[str, ...]
    reason: str
    interrupts: bool = False
    destroys: bool = False

    @property
    def kind(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """The part of the id after the slash."""
        return self.id.partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a host of the cloud can carry, as observed.

    Attributes:
        cpus: hardware threads.
        memory_mib: memory that VMs may use, host software already subtracted.
        domains: failure domain → name, e.g. ``{"host": "h1", "rack": "R1"}``.
        online: it may run VMs now (reachable, in the cluster, not drained).
        drained: it was emptied on purpose.
    """

    name: str
    cpus: int
    memory_mib: int
    domains: Mapping[str, str]
    online: bool = True
    drained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A cloud as observed in one pass.

    Attributes:
        resources: id → normalised attributes.
        managed: ids that Wardstack made; only these are ever deleted.
        hosts: by name.
        where: VM name → host that runs it; a VM that does not run is absent.
        problems: what could not be observed.
        facts: whatever the engine wants to remember between `observe` and `desired`.
        seconds: how long observing took.
    """

    resources: Mapping[str, Attributes]
    managed: frozenset[str]
    hosts: Mapping[str, Host]
    where: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationResult:
    """What a live migration took.

    Attributes:
        seconds: from the order to the VM running on the other host.
        downtime_ms: the VM's pause as the hypervisor measured it; None when it does not tell.
        transferred_mib: memory sent; None when the hypervisor does not tell.
        resting: where the VM is once the cluster has come to rest. It differs
            from ``target`` when a placement rule takes it elsewhere again.
    """

    vm: str
    source: str
    target: str
    seconds: float
    downtime_ms: float | None
    transferred_mib: float | None
    resting: str


class Engine(Protocol):
    """What `wardstack.plan` and the Ansible modules need of an engine."""

    def capabilities(self) -> Mapping[str, str | None]:
        """Resource kind → None when it is supported, else the sentence that says why not."""
        ...

    def observe(self) -> State:
        """Read the whole cloud in one parallel pass.

        Raises:
            EngineError: never for a part that cannot be read: that is in ``State.problems``.
        """
        ...

    def desired(self, blueprint: Blueprint, state: State) -> Mapping[str, Attributes]:
        """Normalise every resource of a blueprint, so that it can be compared with ``state``."""
        ...

    def impact(self, op: Operation, before: Attributes | None, after: Attributes | None, id: str) -> tuple[bool, bool]:
        """Say whether a change interrupts a VM and whether it destroys data."""
        ...

    def dependencies(self, resource: Resource) -> frozenset[str]:
        """Ids of resources that must exist before ``resource``, beyond those that it names."""
        ...

    def preflight(self, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> list[Problem]:
        """Name everything known to be wrong before the first change."""
        ...

    def apply(self, action: Action, blueprint: Blueprint, state: State, report: Report) -> None:
        """Carry out one action; idempotent, so that it may be repeated after a crash.

        Raises:
            EngineError: it failed; what was done so far stays and the next plan continues from there.
        """
        ...

    def migrate(self, vm: str, host: str | None, report: Report) -> MigrationResult:
        """Move a running VM to ``host``, or to the best other host."""
        ...

    def drain(self, host: str, report: Report) -> Mapping[str, str]:
        """Move every VM off a host and keep them off; return where they went."""
        ...

    def undrain(self, host: str, report: Report) -> Mapping[str, str]:
        """Let a host carry VMs again; return where the VMs are."""
        ...

    def where(self) -> Mapping[str, str]:
        """VM name → host that runs it."""
        ...

    def close(self) -> None:
        """End every connection."""
        ...
