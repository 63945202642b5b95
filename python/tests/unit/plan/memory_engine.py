"""An engine whose cloud is a dictionary, and which can be made to die in the middle of an action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wardstack.blueprint.model import KINDS, Blueprint, Placement, Resource, Vm
from wardstack.engines.base import Action, Attributes, EngineError, MigrationResult, Operation, Problem, Report, State

DESTROYING = ("pool", "filesystem", "volume")


class MemoryEngine:
    """Holds resources; `fail_after` actions succeed, then one is left half done."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.foreign: set[str] = set()
        self.fail_after: int | None = None
        self.destroyed: list[str] = []
        self.applied: list[str] = []
        self.unsupported: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.running_now = 0
        self.most_at_once_while_interrupting = 0

    def capabilities(self) -> Mapping[str, str | None]:
        return {kind.KIND: self.unsupported.get(kind.KIND) for kind in KINDS}

    def observe(self) -> State:
        return State(
            resources={k: dict(v) for k, v in self.resources.items()},
            managed=frozenset(set(self.resources) - self.foreign),
            hosts={},
            where={},
        )

    def desired(self, blueprint: Blueprint, state: State) -> Mapping[str, Attributes]:
        return {r.id: self._complete(r.attributes()) for r in blueprint.resources}

    @staticmethod
    def _complete(attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {**attributes, "complete": True}

    def impact(self, op: Operation, before: Attributes | None, after: Attributes | None, id: str) -> tuple[bool, bool]:
        kind = id.partition("/")[0]
        return op in ("update", "restart") and kind == "vm", op == "delete" and kind in DESTROYING

    def dependencies(self, resource: Resource) -> frozenset[str]:
        if isinstance(resource, Placement):
            return frozenset(f"ha/{vm}" for vm in resource.vms)
        if isinstance(resource, Vm):
            return frozenset({"storage_user/client.vm"})
        return frozenset()

    def preflight(self, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> list[Problem]:
        return list(self.problems)

    def apply(self, action: Action, blueprint: Blueprint, state: State, report: Report) -> None:
        report("working")
        self.running_now += 1
        try:
            if action.interrupts:
                self.most_at_once_while_interrupting = max(self.most_at_once_while_interrupting, self.running_now)
            if self.fail_after is not None:
                if self.fail_after <= 0:
                    self._half(action)
                    raise EngineError(Problem(action.id, "died half-way", "Run again"))
                self.fail_after -= 1
            self.applied.append(f"{action.op} {action.id}")
            if action.op == "delete":
                if action.destroys:
                    self.destroyed.append(action.id)
                del self.resources[action.id]
            else:
                assert action.after is not None
                self.resources[action.id] = dict(action.after)
                self.foreign.discard(action.id)
        finally:
            self.running_now -= 1

    def _half(self, action: Action) -> None:
        """What a crash leaves: a new resource not yet complete, a changed one with part of its attributes."""
        if action.op == "delete" or action.after is None:
            return
        keys = sorted(action.after)
        half = {k: action.after[k] for k in keys[: len(keys) // 2]}
        self.resources[action.id] = {**self.resources.get(action.id, {}), **half, "complete": False}

    def migrate(self, vm: str, host: str | None, report: Report) -> MigrationResult:
        raise NotImplementedError

    def drain(self, host: str, report: Report) -> Mapping[str, str]:
        raise NotImplementedError

    def undrain(self, host: str, report: Report) -> Mapping[str, str]:
        raise NotImplementedError

    def where(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        return
