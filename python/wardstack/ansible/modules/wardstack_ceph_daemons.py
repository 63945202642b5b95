#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: make the Ceph daemons of this host as asked."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.wardstack_ceph import cluster as monitors

# Those that are not used here are named for Mitogen, which brings a host only what it finds by its full name.
from ansible.module_utils.wardstack_ceph import (  # noqa: F401
    decide,
    host,
    keyed,
    keys,
    manager,
    monitor,
    options,
    osd,
    osd_device,
    osd_file,
)
from ansible.module_utils.wardstack_ceph.changes import Changes
from ansible.module_utils.wardstack_ceph.settings import CephError, Settings, read_settings

DOCUMENTATION = r"""
---
module: wardstack_ceph_daemons
short_description: Make the Ceph daemons of this host as asked
version_added: "1.0.0"
description:
  - Looks at what is there of this host's monitor, manager, OSDs and metadata server, and makes what is missing. A run
    that was killed at any point is taken up again by the next one.
  - Runs in two passes. The first (O(create=false)) does everything that an existing cluster allows. Where no quorum
    answers, it returns RV(needs_creation) and what it found; the second pass (O(create=true)) is given that of all
    hosts in O(peers). A new cluster is only made when every monitor's host took part and none has ever been in a
    quorum, so there is never a second one.
  - Never wipes a disk. A disk that carries anything but this very OSD is refused by name.
  - Expects C(/etc/ceph/ceph.conf) and the packages to be there. Pools, file systems and users are not its business.
attributes:
  check_mode: {support: full, details: Names everything that would be made; on a host without Ceph too.}
  diff_mode: {support: full, details: One line for each daemon, disk and option that differs.}
author:
  - Wardstack contributors
options:
  host:
    description: Name of this host; its monitor, manager and metadata server bear it too.
    type: str
    required: true
  fsid:
    description: UUID of the cluster.
    type: str
    required: true
  seed:
    description: Secret of the site that the first keys are derived from.
    type: str
    required: true
  monitors:
    description: Name to address of every monitor.
    type: dict
    required: true
  daemons:
    description: Kinds of daemons that this host runs.
    type: list
    elements: str
    choices: [mon, mgr, osd, mds]
    required: true
  disks:
    description: One OSD is made on each.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: Name of the disk, unique on this host and kept for ever.
        type: str
        required: true
      kind:
        description: V(file) is a sparse file, V(device) a whole block device.
        type: str
        choices: [file, device]
        required: true
      path:
        description: The file or device. Name a device by C(/dev/disk/by-id).
        type: path
        required: true
      size_gib:
        description: Size of a file in GiB.
        type: int
  replace_disks:
    description: Ids of disks that were replaced by empty ones; the OSD that was there is given up.
    type: list
    elements: str
    default: []
  encryption:
    description: Encryption of OSDs on devices. V(auto) encrypts where the kernel has dm-crypt.
    type: str
    choices: [auto, required, "off"]
    default: auto
  location:
    description: CRUSH type to bucket of the levels between root and host, from the root downwards.
    type: dict
    default: {}
  config:
    description: Section to option to value for the monitors' configuration database.
    type: dict
    default: {}
  manager_stub:
    description: Text of the stub that gets around the manager's fault.
    type: str
  manager_stub_versions:
    description: Upstream versions of Ceph that have the fault.
    type: list
    elements: str
    default: []
  leader:
    description: This host sets the configuration database and waits for an active manager.
    type: bool
    default: false
  create:
    description: Second pass; O(peers) is complete.
    type: bool
    default: false
  peers:
    description: Name of each monitor's host to the RV(monitor) of its first pass.
    type: dict
    default: {}
  wait_s:
    description: How long to wait for each daemon, in seconds.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Make this host's daemons
  wardstack_ceph_daemons:
    host: h1
    fsid: 3c1d7a0e-5f0b-4d5e-9c55-0f4f2f6a7a10
    seed: "{{ lookup('site_secret', 'ceph_seed') }}"
    monitors: {h1: 10.78.0.11, h2: 10.78.0.12, h3: 10.78.0.13}
    daemons: [mon, osd]
    disks:
      - {id: osd0, kind: device, path: /dev/disk/by-id/nvme-x}
"""

RETURN = r"""
needs_creation:
  description: No quorum answers; the second pass has to decide.
  type: bool
  returned: always
monitor:
  description: What this host's monitor store is.
  type: dict
  returned: always
  sample: {store: none}
osds:
  description: Numbers of this host's OSDs.
  type: list
  elements: int
  returned: always
steps:
  description: What was (in check mode would be) done, one sentence each.
  type: list
  elements: str
  returned: always
"""

PACKAGES = {"mon": "ceph-mon", "mgr": "ceph-mgr", "osd": "ceph-osd", "mds": "ceph-mds"}


def arguments() -> dict[str, Any]:
    """Return the argument specification."""
    disk = {
        "id": {"type": "str", "required": True},
        "kind": {"type": "str", "choices": ["file", "device"], "required": True},
        "path": {"type": "path", "required": True},
        "size_gib": {"type": "int"},
    }
    return {
        "host": {"type": "str", "required": True},
        "fsid": {"type": "str", "required": True},
        "seed": {"type": "str", "required": True, "no_log": True},
        "monitors": {"type": "dict", "required": True},
        "daemons": {"type": "list", "elements": "str", "choices": list(PACKAGES), "required": True},
        "disks": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": disk,
            "required_if": [("kind", "file", ["size_gib"])],
        },
        "replace_disks": {"type": "list", "elements": "str", "default": []},
        "encryption": {"type": "str", "choices": ["auto", "required", "off"], "default": "auto"},
        "location": {"type": "dict", "default": {}},
        "config": {"type": "dict", "default": {}},
        "manager_stub": {"type": "str"},
        "manager_stub_versions": {"type": "list", "elements": "str", "default": []},
        "leader": {"type": "bool", "default": False},
        "create": {"type": "bool", "default": False},
        "peers": {"type": "dict", "default": {}},
        "wait_s": {"type": "int", "default": 120},
    }


def would_be(settings: Settings, changes: Changes) -> None:
    """Record in check mode what a host without Ceph's packages would get."""
    for daemon in settings.daemons:
        if daemon != "osd":
            changes.add(f"{PACKAGES[daemon]} of {settings.host}", "absent", "running")
    if "osd" in settings.daemons:
        for disk in settings.disks:
            changes.add(f"OSD on {disk.id} ({disk.path})", "absent", "running")


def ensure(settings: Settings, changes: Changes) -> dict[str, Any]:
    """Make everything that can be made in this pass and return the module's result."""
    result: dict[str, Any] = {"needs_creation": False, "monitor": {}, "osds": []}
    missing = [PACKAGES[daemon] for daemon in settings.daemons if host.package_version(PACKAGES[daemon]) is None]
    if missing and changes.check:
        would_be(settings, changes)
        return result
    if missing:
        raise CephError(f"not installed: {', '.join(missing)}")
    if "osd" in settings.daemons:
        osd.refuse_foreign_disks(settings)
    keyed.ensure_host_keys(settings, changes)
    cluster = _connect(settings)
    if "mon" in settings.daemons:
        facts = monitor.ensure(settings, changes, cluster)
        if facts is not None and not changes.check:
            return {**result, "needs_creation": True, "monitor": facts}
        if not changes.check:
            monitor.wait_for_quorum(settings)
    if cluster is None and not changes.check:
        if settings.peers is None and "mon" not in settings.daemons:
            return {**result, "needs_creation": True}
        cluster = host.wait_for("a quorum of monitors answers", lambda: monitors.connect(5), settings.wait_s)
    if cluster is not None and settings.leader:
        options.ensure(settings, changes, cluster)
    if "mgr" in settings.daemons:
        manager.ensure_stub(settings, changes)
        keyed.ensure(settings, changes, cluster, "mgr")
    result["osds"] = osd.ensure_all(settings, changes, cluster) if "osd" in settings.daemons else []
    if "mds" in settings.daemons:
        keyed.ensure(settings, changes, cluster, "mds")
    if cluster is not None and settings.leader and not changes.check:
        manager.wait_for_active(settings, cluster)
    if cluster is not None and settings.leader:
        manager.ensure_modules(settings, changes, cluster)
    return result


def _connect(settings: Settings) -> monitors.Cluster | None:
    """Connect where somebody may answer; a refused connection on every monitor spares the wait."""
    own = host.admin_socket(f"mon.{settings.host}", "mon_status")
    if (own is not None and own.get("quorum")) or monitors.answering(settings):
        return monitors.connect(monitor.FIRST_QUESTION_S)
    return None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=arguments(), supports_check_mode=True)
    changes = Changes(check=module.check_mode)
    result: dict[str, Any] = {}
    try:
        settings = read_settings(module.params)
        with host.only_one(settings.wait_s):
            result = ensure(settings, changes)
    except CephError as error:
        module.fail_json(msg=str(error), changed=bool(changes) and not module.check_mode, steps=changes.steps())
    result.update(changed=bool(changes), steps=changes.steps())
    if module._diff:
        result["diff"] = changes.diff()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
