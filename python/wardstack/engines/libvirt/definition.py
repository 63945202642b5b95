"""libvirt's XML for domains and networks: the same bytes for the same blueprint."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from wardstack.blueprint.model import Network, Vm, Volume
from wardstack.engines.libvirt.names import (
    VM_USER,
    XML_NAMESPACE,
    digest,
    identity,
    seed_image,
    user_secret,
    volume_secret,
)

TB_CACHE_MIB = 256
"""Translated code that QEMU keeps when it emulates. Its default takes a share of the host's whole memory per VM;
with 256 MiB a Debian guest boots no slower (facts/trixie, measured 49 s either way)."""

STANDARD_MTU = 1500


def note(attributes: Mapping[str, Any], core: str) -> str:
    """Our note inside ``<metadata>``: the attributes, and the digest of the definition that they led to."""
    text = escape(json.dumps(attributes, sort_keys=True, separators=(",", ":")))
    return (
        f"  <metadata>\n    <wardstack:resource xmlns:wardstack={quoteattr(XML_NAMESPACE)}"
        f' definition="{core}">{text}</wardstack:resource>\n  </metadata>'
    )


def read_note(xml: str) -> tuple[dict[str, Any], str] | None:
    """Attributes and definition digest of a domain or network that is ours, None for another's."""
    element = ET.fromstring(xml).find(f"./metadata/{{{XML_NAMESPACE}}}resource")  # noqa: S314
    if element is None:
        return None
    return json.loads(element.text or "{}"), element.get("definition", "")


def network_xml(site: str, network: Network) -> tuple[str, str]:
    """A network that is a bridge of the host.

    Returns:
        The XML, and the digest of what matters in it.
    """
    body = f'  <forward mode="bridge"/>\n  <bridge name={quoteattr(network.bridge)}/>\n</network>\n'
    head = (
        f"<network>\n  <name>{escape(network.name)}</name>\n  <uuid>{identity(site, 'network', network.name)}</uuid>\n"
    )
    core = digest(head + body)
    return head + note(network.attributes(), core) + "\n" + body, core


def domain_xml(
    site: str,
    vm: Vm,
    volumes: Mapping[str, Volume],
    mtu: Mapping[str, int],
    virt_type: str,
    attributes: Mapping[str, Any],
) -> tuple[str, str]:
    """A domain for Pacemaker to start on any host.

    Args:
        site: name of the site.
        vm: the VM.
        volumes: volumes by name.
        mtu: network → MTU.
        virt_type: ``kvm`` where every host can, else ``qemu``.
        attributes: normalised attributes, noted in the domain itself.

    Returns:
        The XML, and the digest of what matters in it.
    """
    emulated = f"\n    <tcg><tb-cache unit='MiB'>{TB_CACHE_MIB}</tb-cache></tcg>" if virt_type == "qemu" else ""
    firmware = " firmware='efi'" if vm.firmware == "uefi" else ""
    disks = [_disk(site, volumes[a.volume], a.target) for a in vm.volumes]
    seed_pool = volumes[vm.volumes[0].volume].pool
    disks.append(_rbd(site, f"{seed_pool}/{seed_image(vm.name)}", "vdz", "", readonly=True))
    head = f"""<domain type={quoteattr(virt_type)}>
  <name>{escape(vm.name)}</name>
  <uuid>{identity(site, "vm", vm.name)}</uuid>
"""
    body = f"""  <memory unit='MiB'>{vm.memory_mib}</memory>
  <vcpu>{vm.cpus}</vcpu>
  <os{firmware}>
    <type arch='x86_64' machine={quoteattr(vm.machine)}>hvm</type>
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <apic/>{emulated}
  </features>
  <cpu mode={quoteattr(vm.cpu_model)} check='none'/>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
{"".join(disks)}{"".join(_nic(n.network, n.mac, mtu[n.network]) for n in vm.nics)}    <serial type='pty'>
      <log file='/var/log/libvirt/qemu/{escape(vm.name)}-console.log' append='on'/>
      <target port='0'/>
    </serial>
    <console type='pty'/>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
    <memballoon model='virtio'/>
    <video>
      <model type='none'/>
    </video>
  </devices>
</domain>
"""
    core = digest(head + body)
    return head + note(attributes, core) + "\n" + body, core


def _disk(site: str, volume: Volume, target: str) -> str:
    encryption = ""
    if volume.encryption == "luks2":
        encryption = (
            f"\n        <encryption format='luks2' engine='librbd'>"
            f"<secret type='passphrase' uuid='{volume_secret(site, volume.name)}'/></encryption>"
        )
    return _rbd(site, f"{volume.pool}/{volume.name}", target, encryption, readonly=False)


def _rbd(site: str, name: str, target: str, encryption: str, *, readonly: bool) -> str:
    """An RBD disk; monitors, their protocol and its encryption are read from each host's own ceph.conf."""
    mode = "\n      <readonly/>" if readonly else ""
    # Writeback keeps the guest's flushes: what the guest was told is durable is on the required replicas.
    return f"""    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='writeback' discard='unmap'/>
      <auth username={quoteattr(VM_USER.removeprefix("client."))}>
        <secret type='ceph' uuid='{user_secret(site, VM_USER)}'/>
      </auth>
      <source protocol='rbd' name={quoteattr(name)}>
        <config file='/etc/ceph/ceph.conf'/>{encryption}
      </source>
      <target dev={quoteattr(target)} bus='virtio'/>{mode}
    </disk>
"""


def _nic(network: str, mac: str, mtu: int) -> str:
    size = f"\n      <mtu size='{mtu}'/>" if mtu != STANDARD_MTU else ""
    return f"""    <interface type='network'>
      <mac address={quoteattr(mac)}/>
      <source network={quoteattr(network)}/>
      <model type='virtio'/>{size}
    </interface>
"""
