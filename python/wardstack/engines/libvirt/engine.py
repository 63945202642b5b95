"""The engine itself: the protocol of `wardstack.engines.base` over the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wardstack.blueprint.model import KINDS, Blueprint, Placement, Resource, Vm
from wardstack.engines.base import (
    Action,
    Attributes,
    EngineError,
    MigrationResult,
    Operation,
    Problem,
    Report,
    State,
)
from wardstack.engines.libvirt import apply, bundle, desired, names, observe, preflight
from wardstack.engines.libvirt.config import LibvirtConfig
from wardstack.engines.libvirt.transport import Connection, Transport
from wardstack.site.model import Site

MOVE_TIMEOUT_S = 300

DESTROYING = ("pool", "filesystem", "volume")
"""Kinds whose deletion loses data. An image can be imported again, a VM is only its definition."""


class LibvirtEngine:
    """Debian hosts with libvirt, Pacemaker and Ceph; a context manager that ends its connections."""

    def __init__(self, config: LibvirtConfig, transport: Transport) -> None:
        self.config = config
        self.transport = transport

    @classmethod
    def open(cls, site: Site, connections: Iterable[Connection]) -> LibvirtEngine:
        """The engine of a site.

        Args:
            site: a checked site.
            connections: at least one for each of its hosts; others are left out.

        Raises:
            EngineError: a host has none.
        """
        known = {connection.name: connection for connection in connections}
        missing = [host.name for host in site.hosts if host.name not in known]
        if missing:
            raise EngineError([Problem(host, "has no connection variables", "Add it to hosts.yml") for host in missing])
        return cls(LibvirtConfig.from_site(site), Transport(known[host.name] for host in site.hosts))

    def __enter__(self) -> LibvirtEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection."""
        self.transport.close()

    def capabilities(self) -> Mapping[str, str | None]:
        """Every kind there is."""
        return {kind.KIND: None for kind in KINDS}

    def observe(self) -> State:
        """Read the whole cloud, all hosts at once."""
        return observe.observe(self.transport, self.config)

    def desired(self, blueprint: Blueprint, state: State) -> Mapping[str, Attributes]:
        """Normalise a blueprint as `observe` does the cloud."""
        return desired.desired(self.config, blueprint, state)

    def impact(self, op: Operation, before: Attributes | None, after: Attributes | None, id: str) -> tuple[bool, bool]:
        """Say whether a change interrupts a VM and whether it destroys data."""
        kind = id.partition("/")[0]
        if op == "delete":
            runs = bool(before and before.get("running"))
            return kind in ("vm", "ha") and runs, kind in DESTROYING
        if kind == "vm" and before and after:
            return before.get("running") is not None and before["running"] != after.get("running"), False
        return False, False

    def dependencies(self, resource: Resource) -> frozenset[str]:
        """A VM opens its disks as a storage user; constraints can only name resources that the cluster has."""
        if isinstance(resource, Vm):
            return frozenset({f"storage_user/{names.VM_USER}"})
        if isinstance(resource, Placement):
            return frozenset(f"ha/{vm}" for vm in resource.vms)
        return frozenset()

    def preflight(self, blueprint: Blueprint, state: State, actions: Sequence[Action]) -> list[Problem]:
        """Name everything known to be wrong before the first change."""
        return preflight.preflight(self.config, blueprint, state, actions)

    def apply(self, action: Action, blueprint: Blueprint, state: State, report: Report) -> None:
        """Carry out one action."""
        apply.Applier(self.transport, self.config, blueprint, state, report).apply(action)

    def where(self) -> Mapping[str, str]:
        """VM name → host that runs it."""
        found: Mapping[str, str] = self._ask_any("where")
        return found

    def migrate(self, vm: str, host: str | None, report: Report) -> MigrationResult:
        """Move a running VM live.

        Args:
            vm: which.
            host: where to; None for the host that carries the fewest VMs.
            report: gets progress.

        Raises:
            EngineError: unknown host or VM, or it did not arrive by live migration.
        """
        where = self.where()
        if vm not in where:
            running = ", ".join(sorted(where)) or "none"
            raise EngineError(Problem(f"vm/{vm}", f"does not run; running are: {running}", "Name one of those"))
        target = host or self._emptiest(where, without=where[vm])
        if target not in self.transport.connections:
            known = ", ".join(self.transport.connections)
            raise EngineError(Problem(target, f"is no host of this site; hosts are: {known}", "Name one of those"))
        if target == where[vm]:
            raise EngineError(Problem(f"vm/{vm}", f"runs on {target} already", "Name another host"))
        arguments = {"vm": vm, "host": target, "timeout_s": MOVE_TIMEOUT_S}
        figures = bundle.ask(
            self.transport, target, "move", arguments, report=report, timeout_s=2 * MOVE_TIMEOUT_S + 60
        )
        return MigrationResult(vm=vm, target=target, **figures)

    def _emptiest(self, where: Mapping[str, str], without: str) -> str:
        others = sorted(set(self.transport.connections) - {without})
        if not others:
            raise EngineError(Problem(without, "is the only host", "Add another to the inventory"))
        return min(others, key=lambda name: (list(where.values()).count(name), name))

    def drain(self, host: str, report: Report) -> Mapping[str, str]:
        """Move every VM off a host, live, and keep them off."""
        return self._standby(host, True, report)

    def undrain(self, host: str, report: Report) -> Mapping[str, str]:
        """Let a host carry VMs again; the cluster spreads them over it by its rules."""
        return self._standby(host, False, report)

    def _standby(self, host: str, on: bool, report: Report) -> Mapping[str, str]:
        if host not in self.transport.connections:
            known = ", ".join(self.transport.connections)
            raise EngineError(Problem(host, f"is no host of this site; hosts are: {known}", "Name one of those"))
        arguments = {"host": host, "on": on, "timeout_s": MOVE_TIMEOUT_S}
        # Asked of another host, as the drained one may be about to be switched off.
        others = [name for name in self.transport.connections if name != host]
        found: Mapping[str, str] = self._ask_any("standby", arguments, [*others, host], report, 2 * MOVE_TIMEOUT_S + 60)
        return found

    def _ask_any(
        self,
        op: str,
        arguments: Mapping[str, object] | None = None,
        hosts: Sequence[str] = (),
        report: Report | None = None,
        timeout_s: float = 60,
    ) -> Mapping[str, str]:
        """Ask the first host that can be reached."""
        problems: list[Problem] = []
        for host in hosts or list(self.transport.connections):
            try:
                self.transport.connect(host)
            except EngineError as error:
                problems += error.problems
                continue
            answer: Mapping[str, str] = bundle.ask(
                self.transport, host, op, arguments or {}, report=report, timeout_s=timeout_s
            )
            return answer
        raise EngineError(problems)
