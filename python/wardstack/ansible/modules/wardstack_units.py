#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Bring a batch of systemd units into the wanted state in one task, restarting those whose files are newer.

Self-contained on purpose: it runs on the target, where only Python's standard library is at hand.
"""

from __future__ import annotations

import calendar
import os
import subprocess
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: wardstack_units
short_description: Enable, start, restart and reload many systemd units in one task
version_added: "1.0.0"
description:
  - Reads all units with one call, then changes only those that differ, in the order given.
  - A unit is restarted when one of its O(units[].restart_on) files is newer than its start. No handler is needed, and
    a run that was killed between writing a file and restarting its unit is made good by the next one.
  - At the end changed units are read again, and one that did not stay up fails the task with its last journal lines.
author:
  - Wardstack contributors
options:
  units:
    description: The units, handled in the order given.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name with its suffix, such as V(ssh.service).
        type: str
        required: true
      enabled:
        description: Whether it starts at boot. Static, generated and indirect units count as enabled.
        type: bool
      masked:
        description: Whether it is masked. Unmasking happens before, masking after everything else.
        type: bool
      state:
        description:
          - V(started) includes a one-shot unit that has ended well in this boot.
          - V(restarted) restarts on every run and therefore always reports a change.
        type: str
        choices: [started, stopped, restarted]
      restart_on:
        description:
          - Paths whose change (of content, mode, owner or link target) asks for a restart of the running unit.
          - A directory counts as changed when something in it is added or removed.
        type: list
        elements: path
        default: []
      reload_on:
        description: The same, but the unit is reloaded. A restart makes the reload unnecessary.
        type: list
        elements: path
        default: []
  pending:
    description:
      - The RV(wardstack_files#module:changed_paths) of the tasks before.
      - Only so can check mode tell which units would be restarted by files that were not written.
    type: list
    elements: path
    default: []
  daemon_reload:
    description: Whether systemd reads its unit files first. V(auto) when a unit or a path in O(pending) asks for it.
    type: str
    choices: [auto, always, never]
    default: auto
attributes:
  check_mode:
    description: Reports truthfully what would change, also for units whose package is not installed yet.
    support: full
  diff_mode:
    description: Shows every unit's state before and after.
    support: full
seealso:
  - module: wardstack_files
"""

EXAMPLES = r"""
- name: Run the tour guide
  wardstack_units:
    units:
      - name: guide.service
        enabled: true
        state: started
        restart_on: [/etc/guide/guide.conf, /etc/systemd/system/guide.service]
        reload_on: [/etc/guide/routes.d]
      - name: guide-cleanup.timer
        enabled: true
        state: started
      - name: apt-daily.timer
        masked: true
        state: stopped
    pending: "{{ guide_files.changed_paths }}"
"""

RETURN = r"""
units:
  description: What was done (in check mode would be) to each changed unit, in order.
  returned: success
  type: dict
  sample: {guide.service: [enable, restart]}
"""

UNIT = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool"},
    "masked": {"type": "bool"},
    "state": {"type": "str", "choices": ["started", "stopped", "restarted"]},
    "restart_on": {"type": "list", "elements": "path", "default": []},
    "reload_on": {"type": "list", "elements": "path", "default": []},
}
PROPERTIES = (
    "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,Result,"
    "ActiveEnterTimestamp,ExecMainStartTimestamp,ExecMainExitTimestamp"
)
SUFFIXES = (".service", ".socket", ".timer", ".target", ".path", ".mount", ".automount", ".swap", ".slice")
UNIT_FOLDERS = (
    "/etc/systemd/",
    "/run/systemd/",
    "/usr/lib/systemd/",
    "/usr/local/lib/systemd/",
    "/etc/fstab",
    "/etc/crypttab",
)
COUNTS_AS_ENABLED = ("enabled", "enabled-runtime", "static", "generated", "indirect", "alias", "transient")
# What systemd does not keep: when a unit was last reloaded, and that a one-shot unit ran. Gone after a boot.
STAMPS = "/run/wardstack/units"
JOURNAL_LINES = 15
# Seconds in which a service with a broken configuration gives up; waited for only after something was started.
SETTLE = 0.5


class UnitsError(Exception):
    """A unit that cannot be brought into its state; the message names it and says why."""


def systemctl(*words: str) -> str:
    """Run systemctl and return what it printed.

    Raises:
        UnitsError: it failed or is not there.
    """
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "TZ": "UTC"}
    try:
        done = subprocess.run(
            ["systemctl", "--no-pager", *words],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise UnitsError(f"cannot run systemctl: {error.strerror}") from None
    if done.returncode != 0:
        told = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise UnitsError(f"systemctl {' '.join(words)}: {told}")
    return done.stdout


def seconds(stamp: str) -> float:
    """Return a `--timestamp=us+utc` time of systemctl as seconds since 1970, 0 where there is none."""
    # "Tue 2026-11-24 13:41:18.123456 UTC": strptime's names of days depend on the locale, so they are left out.
    words = stamp.split()
    if len(words) < 3:
        return 0.0
    whole, _, fraction = words[2].partition(".")
    moment = time.strptime(f"{words[1]} {whole} UTC", "%Y-%m-%d %H:%M:%S %Z")
    return float(calendar.timegm(moment)) + float(f"0.{fraction or 0}")


class Unit:
    """What systemd tells of one unit."""

    def __init__(self, properties: dict[str, str], ran_at: float = 0.0) -> None:
        """Keep the properties of one block of `systemctl show`.

        Args:
            properties: name and value as printed.
            ran_at: when this module last ran the unit, for a one-shot unit, which systemd forgets when it ends.
        """
        self.load = properties.get("LoadState", "")
        self.active = properties.get("ActiveState", "")
        self.sub = properties.get("SubState", "")
        self.file_state = properties.get("UnitFileState", "")
        self.needs_reload = properties.get("NeedDaemonReload") == "yes"
        self.one_shot = properties.get("Type") == "oneshot" and properties.get("RemainAfterExit") != "yes"
        self.result = properties.get("Result", "")
        self.ended = max(seconds(properties.get("ExecMainExitTimestamp", "")), ran_at if self.one_shot else 0.0)
        # The main process read its files when it began, which for a slow starter is well before "active".
        began = seconds(properties.get("ExecMainStartTimestamp", ""))
        self.since = began or seconds(properties.get("ActiveEnterTimestamp", "")) or self.ended

    @property
    def missing(self) -> bool:
        """Whether systemd knows no such unit."""
        return self.load == "not-found"

    @property
    def masked(self) -> bool:
        """Whether the unit is masked."""
        return self.load == "masked" or self.file_state.startswith("masked")

    @property
    def up(self) -> bool:
        """Whether the unit runs, or has ended well where ending is its nature."""
        ended_well = self.one_shot and self.active == "inactive" and self.result == "success" and self.ended > 0
        return self.active in ("active", "reloading", "refreshing") or ended_well

    @property
    def down(self) -> bool:
        """Whether the unit neither runs nor is about to."""
        return self.active in ("inactive", "failed", "") or self.missing

    def describe(self) -> str:
        """Return the unit's state as one line of a diff."""
        if self.missing:
            return "not installed"
        return f"{self.active} ({self.sub}), {self.file_state or 'no unit file'}"


def show(names: list[str]) -> dict[str, Unit]:
    """Return what systemd tells of the units, with one call."""
    if not names:
        return {}
    blocks = systemctl("show", "--timestamp=us+utc", f"--property={PROPERTIES}", "--", *names).strip("\n").split("\n\n")
    if len(blocks) != len(names):
        raise UnitsError(f"systemctl show answered for {len(blocks)} of {len(names)} units: {', '.join(names)}")
    # By position, as the answer for an alias carries the other name.
    return {
        name: Unit(dict(line.split("=", 1) for line in block.splitlines() if "=" in line), stamped_at(name, "run"))
        for name, block in zip(names, blocks, strict=True)
    }


def changed_at(path: str) -> float:
    """Return when a path last changed in content, access or target, in seconds since 1970; 0 where it is not there."""
    newest = 0.0
    for examine in (os.lstat, os.stat):
        try:
            found = examine(path)
        except OSError:
            continue
        newest = max(newest, found.st_mtime, found.st_ctime)
    return newest


def stamped_at(name: str, what: str) -> float:
    """Return when this module last did something to a unit in this boot, in seconds since 1970; 0 for never."""
    try:
        return os.stat(os.path.join(STAMPS, f"{name}.{what}")).st_mtime
    except OSError:
        return 0.0


def stamp(name: str, what: str, moment: float) -> None:
    """Keep when this module did something to a unit."""
    os.makedirs(STAMPS, mode=0o755, exist_ok=True)
    path = os.path.join(STAMPS, f"{name}.{what}")
    with open(path, "w", encoding="utf-8"):
        pass
    os.utime(path, (moment, moment))


def reasons(paths: list[str], since: float, pending: set[str], check_mode: bool) -> list[str]:
    """Return the paths that changed after a moment.

    Args:
        paths: what to look at.
        since: seconds since 1970.
        pending: what this run changed or would change. Counts by itself in check mode, where nothing was written, and
            for a path that is gone, which has no time of its own.
        check_mode: whether nothing is written.
    """
    late = []
    for path in paths:
        moment = changed_at(path)
        if moment > since or (path in pending and (check_mode or moment == 0.0)):
            late.append(path)
    return late


def steps_for(wanted: dict[str, Any], unit: Unit, pending: set[str], check_mode: bool) -> list[tuple[str, str]]:
    """Return what has to be done to one unit, as pairs of a systemctl verb and its reason.

    Raises:
        UnitsError: the unit is not installed but must run, or is masked but must run.
    """
    name, state, enabled, masked = wanted["name"], wanted["state"], wanted["enabled"], wanted["masked"]
    steps: list[tuple[str, str]] = []
    if unit.missing and not check_mode and (enabled or state in ("started", "restarted")):
        raise UnitsError(f"{name}: is not installed on this host (systemd finds no such unit)")
    if unit.masked and masked is not False and (enabled or state in ("started", "restarted")):
        raise UnitsError(f"{name}: is masked; give masked: false to unmask it")
    if masked is False and unit.masked:
        steps.append(("unmask", ""))
    if enabled is True and unit.file_state not in COUNTS_AS_ENABLED:
        steps.append(("enable", ""))
    if enabled is False and unit.file_state in ("enabled", "enabled-runtime"):
        steps.append(("disable", ""))
    if state == "stopped" and not unit.down:
        steps.append(("stop", ""))
    elif state == "restarted":
        steps.append(("restart", "asked for"))
    elif state == "started" and not unit.up:
        steps.append(("start", ""))
    elif state != "stopped" and unit.up:
        steps.extend(refresh_steps(wanted, unit, pending, check_mode))
    if masked is True and not unit.masked:
        steps.append(("mask", ""))
    return steps


def refresh_steps(wanted: dict[str, Any], unit: Unit, pending: set[str], check_mode: bool) -> list[tuple[str, str]]:
    """Return the restart or reload that changed files ask for, of a unit that is up."""
    late = reasons(wanted["restart_on"], unit.since, pending, check_mode)
    if late:
        return [("restart", ", ".join(late))]
    late = reasons(wanted["reload_on"], max(unit.since, stamped_at(wanted["name"], "reload")), pending, check_mode)
    return [("reload", ", ".join(late))] if late else []


def journal(name: str) -> str:
    """Return the last lines of a unit's journal, for a failure's message."""
    command = ["journalctl", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}", f"--unit={name}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return ""
    return done.stdout.strip()


def act(verb: str, name: str, unit: Unit) -> None:
    """Start, stop, restart or reload one unit.

    Raises:
        UnitsError: with the last lines of the unit's journal.
    """
    began = time.time()
    try:
        # A unit that failed too often would refuse to start until this is cleared.
        if unit.active == "failed" and verb != "stop":
            systemctl("reset-failed", "--", name)
        systemctl(verb, "--", name)
    except UnitsError as error:
        raise UnitsError(f"{name}: {error}\n{journal(name)}".strip()) from None
    # The moment before, so that a file written meanwhile still counts as newer.
    if verb == "reload":
        stamp(name, "reload", began)
    elif verb != "stop" and unit.one_shot:
        stamp(name, "run", began)


def apply(plan: dict[str, list[tuple[str, str]]], found: dict[str, Unit]) -> None:
    """Carry out the steps: unit files of all units first (one systemctl call each), then unit by unit.

    Raises:
        UnitsError: the first step that failed.
    """
    for verb in ("unmask", "enable", "disable"):
        names = [name for name, steps in plan.items() if any(step == verb for step, _ in steps)]
        if names:
            # A reload by systemctl itself, seconds on an emulated node, is needed for unmasking alone: links of
            # `enable` are read at the next boot.
            systemctl(*([] if verb == "unmask" else ["--no-reload"]), verb, "--", *names)
    for name, steps in plan.items():
        for verb, _ in steps:
            if verb in ("start", "stop", "restart", "reload"):
                act(verb, name, found[name])
    names = [name for name, steps in plan.items() if any(step == "mask" for step, _ in steps)]
    if names:
        systemctl("mask", "--", *names)


def confirm(units: list[dict[str, Any]]) -> None:
    """Look at the changed units once more.

    Raises:
        UnitsError: one that should be up is not, with the last lines of its journal.
    """
    if any(unit["state"] in ("started", "restarted") for unit in units):
        time.sleep(SETTLE)
    found = show([unit["name"] for unit in units])
    for unit in units:
        after = found[unit["name"]]
        crashing = after.active != "activating" or after.sub == "auto-restart"
        if unit["state"] in ("started", "restarted") and not after.up and crashing:
            raise UnitsError(
                f"{unit['name']}: did not stay up, it is {after.describe()}\n{journal(unit['name'])}".strip()
            )


def expected(unit: Unit, steps: list[tuple[str, str]]) -> str:
    """Return the line of a diff that tells what the steps make of a unit."""
    before = "" if unit.missing else unit.describe() + "; "
    return before + ", ".join(f"{verb} ({reason})" if reason else verb for verb, reason in steps)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT},
            "pending": {"type": "list", "elements": "path", "default": []},
            "daemon_reload": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
        },
        supports_check_mode=True,
    )
    wanted: list[dict[str, Any]] = module.params["units"]
    names = [unit["name"] for unit in wanted]
    pending = set(module.params["pending"])
    try:
        for name in names:
            if not name.endswith(SUFFIXES):
                raise UnitsError(f"{name}: give the unit's full name, such as {name}.service")
            if names.count(name) > 1:
                raise UnitsError(f"{name}: given twice in one task")
        found = show(names)
        reload = module.params["daemon_reload"] == "always" or (
            module.params["daemon_reload"] == "auto"
            and (
                any(unit.needs_reload for unit in found.values())
                or any(path.startswith(UNIT_FOLDERS) for path in pending)
            )
        )
        if reload and not module.check_mode:
            systemctl("daemon-reload")
            found = show(names)
        plan = {unit["name"]: steps_for(unit, found[unit["name"]], pending, module.check_mode) for unit in wanted}
        plan = {name: steps for name, steps in plan.items() if steps}
        if plan and not module.check_mode:
            apply(plan, found)
            confirm([unit for unit in wanted if unit["name"] in plan])
    except UnitsError as error:
        module.fail_json(msg=str(error))
    diff = [
        {
            "before_header": name,
            "after_header": name,
            "before": found[name].describe() + "\n",
            "after": expected(found[name], steps) + "\n",
        }
        for name, steps in plan.items()
    ]
    module.exit_json(
        changed=bool(plan), units={name: [verb for verb, _ in steps] for name, steps in plan.items()}, diff=diff
    )


if __name__ == "__main__":
    main()
