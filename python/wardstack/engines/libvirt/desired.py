"""From a blueprint to the attributes that this engine observes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from wardstack.blueprint.model import (
    Blueprint,
    HaRule,
    Image,
    Network,
    Placement,
    StorageUser,
    Vm,
    Volume,
)
from wardstack.engines.base import Attributes, EngineError, State
from wardstack.engines.libvirt import ha, names
from wardstack.engines.libvirt.config import LibvirtConfig
from wardstack.engines.libvirt.definition import domain_xml, network_xml
from wardstack.engines.libvirt.normalise import file_digest

DOCUMENTS = ("user_data", "network_config")
"""Long texts of a VM; compared and shown by their digests."""


def desired(config: LibvirtConfig, blueprint: Blueprint, state: State) -> dict[str, Attributes]:
    """Normalise every resource of a blueprint."""
    wanted: dict[str, Attributes] = {}
    for resource in blueprint.resources:
        attributes: dict[str, Any] = resource.attributes()
        if isinstance(resource, StorageUser) and resource.name == names.VM_USER:
            attributes["key_in_libvirt"] = True
        elif isinstance(resource, Network):
            attributes |= {"definition": network_xml(config.site, resource)[1], "running": True}
        elif isinstance(resource, Image):
            del attributes["path"]
        elif isinstance(resource, Volume) and resource.encryption == "luks2":
            attributes["sealed"] = seal_digest(config, resource, state)
        elif isinstance(resource, Vm):
            attributes = vm_attributes(resource)
            text, core = render(config, blueprint, resource, state)
            observed = state.resources.get(resource.id, {}).get("running")
            attributes |= {
                "file": file_digest(text),
                "seed": seed_digest(resource),
                # A VM that does not run is its HA rule's business.
                "running": core if observed is not None else None,
            }
        elif isinstance(resource, HaRule):
            vm = next(vm for vm in blueprint.of(Vm) if vm.name == resource.vm)
            attributes = {**ha.primitive(resource, vm), "running": True}
        elif isinstance(resource, Placement):
            attributes |= {"vms": sorted(resource.vms), "complete": True}
        wanted[resource.id] = attributes
    return wanted


def vm_attributes(vm: Vm) -> dict[str, Any]:
    """Attributes of a VM with its documents as digests."""
    attributes = vm.attributes()
    for name in DOCUMENTS:
        attributes[name] = "sha256:" + names.digest(str(attributes[name]))
    return attributes


def seed_files(vm: Vm) -> dict[str, str]:
    """The NoCloud disk's files."""
    return {"meta-data": vm.meta_data, "user-data": vm.user_data, "network-config": vm.network_config}


def seed_digest(vm: Vm) -> str:
    """Digest of the NoCloud disk's contents."""
    return names.digest(seed_files(vm))


def virt_type(state: State) -> str:
    """``kvm`` where every host can, since a VM may come to run on any of them."""
    found = set(state.facts.get("virt_types", {}).values())
    return "kvm" if found == {"kvm"} else "qemu"


def render(config: LibvirtConfig, blueprint: Blueprint, vm: Vm, state: State) -> tuple[str, str]:
    """A VM's domain XML and the digest of its definition."""
    volumes = {volume.name: volume for volume in blueprint.of(Volume)}
    mtu = {network.name: network.mtu for network in blueprint.of(Network)}
    return domain_xml(config.site, vm, volumes, mtu, virt_type(state), vm_attributes(vm))


def pins(config: LibvirtConfig, state: State) -> list[dict[str, str]]:
    """Tang servers with the thumbprints that were read on the servers themselves."""
    thumbprints: Mapping[str, str] = state.facts.get("tang", {})
    return [{"url": url, "thp": thumbprints[host]} for host, url in sorted(config.tang.items()) if host in thumbprints]


def seal_digest(config: LibvirtConfig, volume: Volume, state: State) -> str:
    """What a sealed passphrase depends on; another passphrase, threshold or server key means sealing again.

    A missing secret (before the first run, in check mode) has no digest; preflight names it.
    """
    try:
        value = config.secret(volume.secret or "")
    except EngineError:
        return "secret-missing"
    print_ = hmac.new(b"wardstack volume", value.encode(), hashlib.sha256).hexdigest()
    return names.digest([print_, config.unlock_threshold, pins(config, state)])
