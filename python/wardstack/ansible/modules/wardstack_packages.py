#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Install the Debian packages that are missing, without starting what they bring.

Self-contained on purpose: it runs on the target, where only Python's standard library is at hand.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: wardstack_packages
short_description: Install the Debian packages that are missing, without starting what they bring
version_added: "1.0.0"
description:
  - Reads dpkg's own list, which takes milliseconds; apt runs only when a package is missing, and refreshes its lists
    only then.
  - Debian starts and enables a service as soon as its package is installed. Here it stays down and disabled until its
    role has configured it, so that no half-configured service is ever seen on the network.
  - An installation that was interrupted is finished first.
author:
  - Wardstack contributors
options:
  packages:
    description: Names of packages.
    type: list
    elements: str
    required: true
  start_services:
    description: Let the services start and be enabled as Debian wants.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reports truthfully what would be installed.
    support: full
  diff_mode:
    description: Shows the missing packages.
    support: full
"""

EXAMPLES = r"""
- name: Install the cluster software
  wardstack_packages:
    packages: [corosync, pacemaker]
"""

RETURN = r"""
installed:
  description: Packages that were (in check mode would be) installed.
  returned: success
  type: list
  elements: str
disabled:
  description: Units that came enabled and were disabled again.
  returned: success
  type: list
  elements: str
"""

STATUS = "/var/lib/dpkg/status"
UPDATES = "/var/lib/dpkg/updates"
POLICY = "/usr/sbin/policy-rc.d"
# Ours has this mark, so that one left by a killed run is told from the administrator's own.
MARK = "# wardstack_packages: no service starts before its role has configured it"
UNITS = re.compile(r"^/(?:usr/)?lib/systemd/system/([^/]+\.(?:service|socket|timer|target|path))$")
APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2")


class PackagesError(Exception):
    """Packages cannot be installed; the message says why and what to do."""


def states(text: str) -> dict[str, str]:
    """Return the last word of each package's status (``installed``, ``half-configured`` …) in dpkg's list."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("Package: "):
            name = line[9:].strip()
        elif line.startswith("Status: ") and name:
            state = line.split()[-1]
            # Multi-arch packages appear once per architecture: one installed is enough.
            if found.get(name) != "installed":
                found[name] = state
    return found


def read_states() -> dict[str, str]:
    """Return the states of this machine's packages."""
    with open(STATUS, encoding="utf-8", errors="replace") as stream:
        return states(stream.read())


def run(*words: str) -> str:
    """Run a command of dpkg or apt in English and without questions.

    Raises:
        PackagesError: it failed; the message holds its own errors.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "APT_LISTCHANGES_FRONTEND": "none"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg: error"))]
        said = "; ".join(errors[:4]) or done.stderr.strip()[-400:]
        raise PackagesError(
            f"'{' '.join(words[:1] + words[-3:])}' failed: {said}. Check the mirror in /etc/apt/sources.list.d"
        )
    return done.stdout


@contextmanager
def services_down() -> Iterator[None]:
    """Keep packages from starting their services, whatever policy the administrator has."""
    kept = None
    if os.path.lexists(POLICY):
        with open(POLICY, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        if MARK not in text:
            kept = POLICY + ".wardstack-kept"
            os.rename(POLICY, kept)
    with open(POLICY, "w", encoding="utf-8") as stream:
        stream.write(f"#!/bin/sh\n{MARK}\nexit 101\n")
    os.chmod(POLICY, 0o755)
    try:
        yield
    finally:
        restore(kept)


def restore(kept: str | None) -> None:
    """Put the administrator's policy back, or remove ours."""
    if kept:
        os.rename(kept, POLICY)
    else:
        os.unlink(POLICY)


def clean_up() -> None:
    """Undo what a killed run left of :func:`services_down`."""
    kept = POLICY + ".wardstack-kept"
    if os.path.exists(kept):
        os.rename(kept, POLICY)
    elif os.path.exists(POLICY):
        with open(POLICY, encoding="utf-8", errors="replace") as stream:
            if MARK in stream.read():
                os.unlink(POLICY)


def disable_new_units(packages: list[str]) -> list[str]:
    """Disable the units of newly installed packages. Returns those that were enabled."""
    units: list[str] = []
    for package in packages:
        files = subprocess.run(["dpkg-query", "-L", package], capture_output=True, text=True, check=False).stdout
        units += [
            match.group(1) for line in files.splitlines() if (match := UNITS.match(line)) and "@." not in match.group(1)
        ]
    if not units:
        return []
    # Answers for all at once, one line each; the exit code is that of the worst and says nothing.
    said = subprocess.run(
        ["systemctl", "is-enabled", *units], capture_output=True, text=True, check=False
    ).stdout.split("\n")
    enabled = [unit for unit, state in zip(units, said, strict=False) if state == "enabled"]
    if enabled:
        subprocess.run(["systemctl", "--quiet", "disable", *enabled], capture_output=True, check=False)
    return enabled


def install(packages: list[str], start_services: bool) -> list[str]:
    """Install packages. Returns the units that were disabled.

    Raises:
        PackagesError: dpkg or apt failed.
    """
    before = {name for name, state in read_states().items() if state == "installed"}
    if start_services:
        run(*APT, "update")
        run(*APT, "install", "--no-install-recommends", *packages)
        return []
    with services_down():
        run(*APT, "update")
        run(*APT, "install", "--no-install-recommends", *packages)
    # Dependencies bring services too.
    new = [name for name, state in read_states().items() if state == "installed" and name not in before]
    return disable_new_units(new)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "start_services": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    wanted: list[str] = list(dict.fromkeys(module.params["packages"]))
    disabled: list[str] = []
    try:
        found = read_states()
        missing = [name for name in wanted if found.get(name) != "installed"]
        if not module.check_mode:
            clean_up()
        if missing and not module.check_mode:
            if (os.path.isdir(UPDATES) and os.listdir(UPDATES)) or any(
                state.startswith("half-") for state in found.values()
            ):
                run("dpkg", "--configure", "-a", "--force-confold")
            disabled = install(missing, module.params["start_services"])
    except (PackagesError, OSError) as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": bool(missing), "installed": missing, "disabled": disabled}
    if missing:
        result["diff"] = {
            "before_header": "packages",
            "after_header": "packages",
            "before": "",
            "after": "\n".join(missing) + "\n",
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
