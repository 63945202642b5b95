"""Carries out one action. Every step may be repeated: a plan that was killed is simply made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wardstack.blueprint.model import (
    Blueprint,
    HaRule,
    Image,
    Network,
    Placement,
    Pool,
    Resource,
    Vm,
    Volume,
)
from wardstack.engines.base import Action, EngineError, Problem, Report, State
from wardstack.engines.libvirt import bundle, desired, ha, names, preflight
from wardstack.engines.libvirt.config import CRUSH_TYPES, LibvirtConfig
from wardstack.engines.libvirt.definition import network_xml
from wardstack.engines.libvirt.transport import Transport, in_parallel
from wardstack.placement.first import first_hosts

BLOCK = 1 << 20
IMPORT_TIMEOUT_S = 1800
GUEST_TIMEOUT_S = 600
"""An emulated guest on a busy host was ssh-ready after 196 s at worst (facts/TRIXIE.md)."""


class Applier:
    """Applies actions to the hosts of one site.

    Args:
        transport: open connections.
        config: the site.
        blueprint: what is wanted.
        state: what was observed when the plan was made.
        report: gets progress.
    """

    def __init__(
        self, transport: Transport, config: LibvirtConfig, blueprint: Blueprint, state: State, report: Report
    ) -> None:
        self.transport = transport
        self.config = config
        self.blueprint = blueprint
        self.state = state
        self.report = report
        self.hosts = list(transport.connections)
        ceph_hosts = state.facts.get("ceph_hosts") or self.hosts
        self.lead = ceph_hosts[0]

    def apply(self, action: Action) -> None:
        """Carry out one action.

        Raises:
            EngineError: it failed, or this engine does not know the kind.
        """
        handlers: Mapping[str, Callable[[Action], None]] = {
            "pool": self._pool,
            "filesystem": self._filesystem,
            "storage_user": self._user,
            "network": self._network,
            "image": self._image,
            "volume": self._volume,
            "vm": self._vm,
            "placement": self._placement,
            "ha": self._ha,
        }
        if action.kind not in handlers:
            raise EngineError(Problem(action.id, "is of a kind that this engine does not know", "Update Wardstack"))
        handlers[action.kind](action)

    def _ask(self, host: str, op: str, limit_s: float = 180, data: Iterable[bytes] = (), **arguments: Any) -> Any:
        return bundle.ask(self.transport, host, op, arguments, data=data, report=self.report, timeout_s=limit_s)

    def _everywhere(self, op: str, limit_s: float = 180, **arguments: Any) -> None:
        """Ask every host at once; all failures are named together."""

        def one(host: str) -> EngineError | None:
            try:
                self._ask(host, op, limit_s, **arguments)
            except EngineError as error:
                return error
            return None

        failed = [error for error in in_parallel(self.hosts, one).values() if error]
        if failed:
            raise EngineError([problem for error in failed for problem in error.problems])

    def _resource(self, action: Action, kind: type[Resource]) -> Any:
        resource = self.blueprint.by_id()[action.id]
        assert isinstance(resource, kind)
        return resource

    def _pool(self, action: Action) -> None:
        if action.op == "delete":
            self._ask(self.lead, "pool_delete", name=action.name)
            return
        pool: Pool = self._resource(action, Pool)
        self._ask(
            self.lead,
            "pool",
            name=pool.name,
            application="rbd" if pool.application == "rbd" else "cephfs",
            crush_type=CRUSH_TYPES[pool.failure_domain],
            attributes=dict(action.after or {}),
        )

    def _filesystem(self, action: Action) -> None:
        if action.op == "delete":
            self._ask(self.lead, "filesystem_delete", name=action.name)
        else:
            self._ask(self.lead, "filesystem", name=action.name, attributes=dict(action.after or {}))

    def _user(self, action: Action) -> None:
        if action.op == "delete":
            self._ask(self.lead, "user_delete", name=action.name)
            return
        assert action.after is not None
        self._ask(self.lead, "user", name=action.name, caps=dict(action.after["caps"]))
        if action.name == names.VM_USER:
            key = self._ask(self.lead, "user_key", name=action.name)
            uuid = names.user_secret(self.config.site, action.name)
            self._everywhere("ceph_secret", uuid=uuid, user=action.name, key=key)

    def _network(self, action: Action) -> None:
        if action.op == "delete":
            self._everywhere("network_delete", name=action.name)
            return
        network: Network = self._resource(action, Network)
        self._everywhere("network", name=network.name, xml=network_xml(self.config.site, network)[0])

    def _image(self, action: Action) -> None:
        if action.op == "delete":
            assert action.before is not None
            self._ask(
                self.lead,
                "image_delete",
                pool=action.before["pool"],
                name=image_name(action.name, action.before["sha256"]),
            )
            return
        image: Image = self._resource(action, Image)
        path = Path(image.path)
        self._ask(
            self.lead,
            "image",
            IMPORT_TIMEOUT_S,
            _blocks(path),
            pool=image.pool,
            name=image.name,
            sha256=image.sha256,
            size=path.stat().st_size,
        )

    def _volume(self, action: Action) -> None:
        if action.op == "delete":
            assert action.before is not None
            self._ask(self.lead, "volume_delete", pool=action.before["pool"], name=action.name)
            secret = names.volume_secret(self.config.site, action.name)
            if action.before["encryption"] == "luks2":
                self._everywhere("unlock_delete", uuid=secret)
            return
        volume: Volume = self._resource(action, Volume)
        attributes = volume.attributes()
        passphrase = self.config.secret(volume.secret or "") if volume.encryption == "luks2" else None
        if action.op == "create":
            image = next((i for i in self.blueprint.of(Image) if i.name == volume.image), None)
            source = {"pool": image.pool, "name": image_name(image.name, image.sha256)} if image else None
            self._ask(
                self._host_for(volume.name),
                "volume",
                pool=volume.pool,
                name=volume.name,
                attributes=attributes,
                source=source,
                passphrase=passphrase,
            )
        elif action.before is not None and action.before.get("size_mib") != volume.size_mib:
            self._grow(volume, attributes)
        if passphrase is not None and (action.before or {}).get("sealed") != (action.after or {}).get("sealed"):
            self._seal(volume, passphrase)

    def _grow(self, volume: Volume, attributes: Mapping[str, Any]) -> None:
        self._ask(
            self.lead,
            "volume_grow",
            pool=volume.pool,
            name=volume.name,
            attributes=dict(attributes),
            encrypted=volume.encryption == "luks2",
        )
        for vm in self.blueprint.of(Vm):
            target = next((a.target for a in vm.volumes if a.volume == volume.name), None)
            if target and vm.name in self.state.where:
                self._ask(
                    self.state.where[vm.name], "block_resize", name=vm.name, target=target, size_mib=volume.size_mib
                )

    def _seal(self, volume: Volume, passphrase: str) -> None:
        """Seal once (any host can open it), then have every host load it."""
        threshold = self.config.unlock_threshold
        jwe = self._ask(
            self._host_for(volume.name),
            "seal",
            passphrase=passphrase,
            threshold=threshold,
            pins=desired.pins(self.config, self.state),
        )
        note = {
            "volume": volume.name,
            "threshold": threshold,
            "digest": desired.seal_digest(self.config, volume, self.state),
        }
        uuid = names.volume_secret(self.config.site, volume.name)
        self._everywhere("unlock", uuid=uuid, jwe=jwe, note=note)

    def _host_for(self, name: str) -> str:
        """Spread work that any host can do over all of them, always the same way."""
        hosts: Sequence[str] = self.state.facts.get("ceph_hosts") or self.hosts
        return hosts[int(names.digest(name), 16) % len(hosts)]

    def _vm(self, action: Action) -> None:
        if action.op == "delete":
            assert action.before is not None
            self._everywhere("vm_delete", name=action.name)
            return
        vm: Vm = self._resource(action, Vm)
        if action.op != "restart":
            pool = next(v.pool for v in self.blueprint.of(Volume) if v.name == vm.volumes[0].volume)
            self._ask(
                self.lead,
                "seed",
                pool=pool,
                name=names.seed_image(vm.name),
                digest=desired.seed_digest(vm),
                files=desired.seed_files(vm),
            )
            xml, _ = desired.render(self.config, self.blueprint, vm, self.state)
            self._everywhere("vm_file", name=vm.name, xml=xml)
        if action.interrupts and vm.name in self.state.facts.get("in_cluster", ()):
            rule = next(rule for rule in self.blueprint.of(HaRule) if rule.vm == vm.name)
            timeout = rule.start_timeout_s + rule.stop_timeout_s
            self._ask(self.lead, "restart", timeout + 60, vm=vm.name, timeout_s=timeout)
            # The next VM of the plan may be the last healthy one of its kind: this one must be back first.
            host = self._ask(self.lead, "started", timeout + 30, vm=vm.name, timeout_s=timeout)
            self._ask(host, "guest_ready", GUEST_TIMEOUT_S + 30, name=vm.name, timeout_s=GUEST_TIMEOUT_S)

    def _ha(self, action: Action) -> None:
        if action.op == "delete":
            constraints = self.state.facts.get("constraints", {}).get(action.name, [])
            self._ask(self.lead, "remove", 400, vm=action.name, constraints=constraints, timeout_s=300)
            return
        rule: HaRule = self._resource(action, HaRule)
        attributes = dict(action.after or {})
        put = [["resources", ha.primitive_xml(rule.vm, attributes)]]
        if action.op == "create":
            first = self._first_hosts().get(rule.vm)
            if first:
                put.append(["constraints", ha.first_host_xml(rule.vm, first)])
        if action.op != "restart":
            self._ask(self.lead, "cib", put=put, delete=[])
        self._ask(self.lead, "started", rule.start_timeout_s + 60, vm=rule.vm, timeout_s=rule.start_timeout_s)

    def _first_hosts(self) -> dict[str, str]:
        return first_hosts(
            preflight.carriers(self.config, self.blueprint, self.state, online=True),
            preflight.loads(self.blueprint),
            self.state.where,
            [placement.vms for placement in self.blueprint.of(Placement)],
        )

    def _placement(self, action: Action) -> None:
        old = self._old_pairs(action)
        if action.op == "delete":
            self._ask(self.lead, "cib", put=[], delete=old)
            return
        placement: Placement = self._resource(action, Placement)
        wanted = ha.placement_xml(placement)
        nodes: Mapping[str, str] = self.state.facts.get("node_ids", {})
        put = [["nodes", xml] for xml in ha.node_attributes_xml(self.config.domains, placement.domain, nodes)]
        put += [["constraints", xml] for _, xml in sorted(wanted.items())]
        self._ask(self.lead, "cib", put=put, delete=[pair for pair in old if _id_of(pair[1]) not in wanted])

    def _old_pairs(self, action: Action) -> list[list[str]]:
        """Sections and XML of the constraints that a placement has now."""
        found = sorted(
            {
                identity
                for ids in self.state.facts.get("constraints", {}).values()
                for identity in ids
                if identity.startswith(f"spread-{action.name}-")
            }
        )
        return [["constraints", f'<rsc_colocation id="{identity}"/>'] for identity in found]


def image_name(name: str, sha256: str) -> str:
    """RBD image of a golden image."""
    return f"{name}-{sha256[:12]}"


def _id_of(xml: str) -> str:
    return xml.split('id="', 1)[1].split('"', 1)[0]


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block
