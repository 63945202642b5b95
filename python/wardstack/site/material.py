"""Which secrets and certificates a site needs, from its hosts, nodes, BMCs and modalities.

Plain mappings in, plain lists out: the playbooks hand in Ansible's variables and
hand the result to the modules ``wardstack_secrets`` and ``wardstack_authority``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Plain = Mapping[str, Any]


def secrets_wanted(site: Plain, bmcs: Mapping[str, Plain]) -> list[dict[str, object]]:
    """Return the secrets of a site.

    Args:
        site: the site as in ``site.yml``.
        bmcs: ``host_bmc`` of each host that has one.

    Returns:
        One entry per secret (``name``, ``kind``, ``size`` in bytes).
    """
    # A real BMC has a password already, only the hospital knows it; the lab's BMCs take what we choose.
    bmc_kind = "password" if site["lab"] else "given"
    wanted: list[dict[str, object]] = [{"name": f"bmc_{host}", "kind": bmc_kind, "size": 24} for host in sorted(bmcs)]
    for name in ("patroni_replication", "patroni_superuser", "orthanc_db", "orthanc_http"):
        wanted.append({"name": name, "kind": "password", "size": 24})
    # Keepalived uses its first eight characters (RFC 2338 5.3.6).
    wanted.append({"name": "keepalived_vrrp", "kind": "password", "size": 16})
    wanted.append({"name": "etcd_token", "kind": "hex", "size": 16})
    # The master key of gocryptfs.
    wanted.append({"name": "objects_key", "kind": "hex", "size": 32})
    # All first keys of the storage cluster derive from it.
    wanted.append({"name": "ceph_seed", "kind": "hex", "size": 32})
    # Corosync takes 128 to 4096 bytes as they are; the text of 256 digits carries 1024 random bits.
    wanted.append({"name": "corosync_authkey", "kind": "hex", "size": 128})
    for node in site["archive"]["node_addresses"]:
        wanted.append({"name": f"volume_{node}", "kind": "password", "size": 32})
    return wanted


def certificates_wanted(site: Plain, hosts: Mapping[str, Plain], bmcs: Mapping[str, Plain]) -> list[dict[str, object]]:
    """Return the certificates of a site.

    Args:
        site: the site as in ``site.yml``.
        hosts: ``host_addresses`` (network to address) of each host.
        bmcs: ``host_bmc`` of each host that has one.

    Returns:
        One entry per certificate, as the options of the module ``wardstack_authority``.
    """
    domain, archive = site["domain"], site["archive"]
    wanted = [_machine(name, domain, hosts[name].values()) for name in sorted(hosts)]
    for name in sorted(archive["node_addresses"]):
        node = _machine(name, domain, archive["node_addresses"][name].values())
        # Every node may hold the floating address, so every certificate is valid for it.
        node["dns"] = [*node["dns"], f"archive.{domain}"]
        node["ip"] = [*node["ip"], archive["floating_address"]]
        wanted.append(node)
    for name in sorted(bmcs):
        entry = _machine(f"bmc_{name}", domain, [bmcs[name]["address"]])
        # A DNS name may not hold an underscore.
        wanted.append(entry | {"dns": [f"bmc-{name}.{domain}"], "client": False})
    for modality in site["modalities"]:
        aet = modality["aet"]
        wanted.append(_client(f"modality_{aet}", aet))
    wanted.append(_client("verify", "WSVERIFY"))
    return wanted


def _machine(name: str, domain: str, addresses: Any) -> dict[str, Any]:
    return {
        "name": name,
        "common_name": name,
        "dns": [name, f"{name}.{domain}"],
        "ip": [str(address) for address in addresses],
        "server": True,
        "client": True,
    }


def _client(name: str, common_name: str) -> dict[str, Any]:
    return {"name": name, "common_name": common_name, "dns": [], "ip": [], "server": False, "client": True}
