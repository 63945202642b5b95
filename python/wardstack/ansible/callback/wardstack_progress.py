"""Ansible's output as a person waiting for a cloud wants it: one line per step, and how long the rest will take."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

from wardstack.progress import durations
from wardstack.progress.screen import Screen, clock

DOCUMENTATION = """
name: wardstack_progress
type: stdout
short_description: One line per step with host, seconds and an estimate of the rest
description:
  - Prints a line for each step when it is over, with the hosts, what became of it, its seconds, and how long the rest
    will take by the durations of earlier runs of the same playbook on the same inventory.
  - On a terminal a status line shows the running step. In a log (CI) a line tells after a minute of silence that
    work goes on.
  - A failure is printed in full, with the task's file and line. Results of tasks with no_log stay hidden.
  - Durations and a record of the run (JSON, for benchmarks) are kept in the cache folder, E(WARDSTACK_CACHE).
author: Wardstack contributors
extends_documentation_fragment:
  - result_format_callback
"""

QUIET_ACTIONS = (
    "include_tasks",
    "import_tasks",
    "include_role",
    "import_role",
    "include_vars",
    "set_fact",
    "meta",
    "add_host",
)
MARKS = {
    "ok": "ok",
    "changed": "changed",
    "failed": "FAILED",
    "unreachable": "UNREACHABLE",
    "ignored": "failed, goes on",
    "silent": "do not answer",
}
PROGRESS_FOLDER = "WARDSTACK_PROGRESS_DIR"


@dataclass
class Step:
    """A task on all its hosts."""

    key: str
    name: str
    role: str
    play: str
    place: str
    quiet: bool
    began: float = field(default_factory=time.monotonic)
    waiting: dict[str, float] = field(default_factory=dict)
    """Host → moment at which it began."""
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Host → its seconds and status."""
    seconds: float = 0.0

    def end(self, host: str, status: str) -> None:
        """Note what became of it on one host."""
        now = time.monotonic()
        self.hosts[host] = {"seconds": round(now - self.waiting.pop(host, self.began), 2), "status": status}
        self.seconds = now - self.began

    def statuses(self) -> Counter[str]:
        """Return how many hosts had which status."""
        return Counter(str(result["status"]) for result in self.hosts.values())


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """The callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "wardstack_progress"

    def __init__(self) -> None:
        """Prepare; the playbook is not known yet."""
        super().__init__()
        self.began = time.monotonic()
        self.started = datetime.now(UTC)
        self.playbook = ""
        self.site = ""
        self.play = ""
        self.shown_play = ""
        self.step: Step | None = None
        self.steps: list[Step] = []
        self.keys: Counter[str] = Counter()
        self.known = durations.Durations()
        self.learnt = durations.Durations()
        self.changing = False
        self.failed = False
        self.screen = Screen(self._display.display, self.status)

    @property
    def check(self) -> bool:
        """Whether nothing is changed."""
        return bool(context.CLIARGS.get("check"))

    def record_path(self, kind: str) -> Path:
        """Return the path of this playbook's record of a kind."""
        check = "-check" if self.check else ""
        return durations.folder() / f"{self.site}-{Path(self.playbook).stem}{check}.{kind}.json"

    # What Ansible tells.

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Remember which playbook on which inventory this is."""
        self.playbook = Path(playbook._file_name).name
        inventories = context.CLIARGS.get("inventory") or ["none"]
        self.site = Path(str(inventories[0]).rstrip("/,")).name or "none"
        self.known = durations.load(self.record_path("durations"))
        self.learnt = durations.load(self.record_path("durations"))
        self.screen.start()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Begin a play."""
        self.finish_step()
        self.play = play.get_name().strip()
        if self.steps:
            # A run that is killed still teaches the next one.
            self.learnt.save(self.record_path("durations"))

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Say nothing: a play of the site that has no such hosts is normal."""

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Begin a step."""
        self.finish_step()
        name = task.get_name().strip()
        self.keys[name] += 1
        key = name if self.keys[name] == 1 else f"{name} #{self.keys[name]}"
        role = task._role.get_name() if task._role else ""
        quiet = task.action.rpartition(".")[2] in QUIET_ACTIONS
        plain = name.removeprefix(f"{role} : ")
        self.step = Step(key, plain, role, self.play, task.get_path() or "", quiet)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Begin a handler."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note that a host began."""
        if self.step:
            self.step.waiting[host.get_name()] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a success, and print what debug is asked to print."""
        changed = bool(result.result.get("changed"))
        self.changing = self.changing or changed
        self.end(result, "changed" if changed else "ok")
        self._handle_warnings(result.result)
        if result.task.action.rpartition(".")[2] == "debug" and not self.hidden(result):
            self.screen.line(f"    {result.host.get_name()}: {self.debug_text(result.result)}")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Note that there was nothing to do for a host."""
        self.end(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Print a failure in full."""
        self.end(result, "ignored" if ignore_errors else "failed")
        if ignore_errors:
            return
        self.failed = True
        if result.task.loop and "results" in result.result:
            # Each failed item was printed when it failed.
            return
        self.print_failure(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Print a failed item of a loop in full."""
        if not result.task.ignore_errors:
            self.print_failure(result, f" (item {self._get_item_label(result.result)})")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Say that a host does not answer."""
        if result.task.ignore_unreachable:
            self.end(result, "silent")
            return
        self.end(result, "unreachable")
        self.failed = True
        reason = str(result.result.get("msg", "")).strip()
        address = result.host.vars.get("ansible_host", "no address")
        self.fail_line(
            f"{result.host.get_name()} ({address}) does not answer: {reason}\n"
            f"    Is it powered on, is its cable in, and does the address in the inventory belong to it?"
        )

    def v2_runner_retry(self, result: Any) -> None:
        """Say nothing: the status line shows that the step goes on."""

    def v2_on_file_diff(self, result: Any) -> None:
        """Print before and after, where --diff asks for it."""
        results = result.result.get("results", []) if result.task.loop else [result.result]
        for one in results:
            if one.get("diff") and one.get("changed") and not self.hidden(result):
                text = self._get_diff(one["diff"])
                if text.strip():
                    self.screen.line(
                        f"--- {result.host.get_name()}: {self.step.name if self.step else ''}\n{text.rstrip()}"
                    )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the recap and keep what was learnt."""
        self.finish_step()
        self.screen.stop()
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        changed = sum(counts["changed"] for counts in hosts.values())
        complete = not self.failed and not any(counts["failures"] or counts["unreachable"] for counts in hosts.values())
        if complete:
            self.learnt.keep_only(step.key for step in self.steps)
        self.learnt.save(self.record_path("durations"))
        self.save_run(hosts, changed, complete)
        self.print_recap(hosts, changed, complete)

    # What people see.

    def status(self) -> str | None:
        """Return the status line's text: what runs where since when, and what is left."""
        step = self.step
        if step is None:
            return None
        now = time.monotonic()
        hosts = " ".join(list(step.waiting)[:6]) or "…"
        return f"{self.times(now)}  {step.name}: {hosts}, {now - step.began:.0f} s{self.inner_progress()}"

    def times(self, now: float) -> str:
        """Return the seconds so far and the estimate of the rest."""
        if not self.known:
            left = "first run"
        else:
            current, elapsed = (self.step.key, now - self.step.began) if self.step else (None, 0.0)
            rest = self.known.remaining([step.key for step in self.steps], current, elapsed, self.changing)
            left = f"~{clock(rest)} left"
        return f"{clock(now - self.began):>6}  {left:>11}"

    @staticmethod
    def inner_progress() -> str:
        """Return how far a long step is: it writes JSON `step`, `done`, `total` into the site's progress folder."""
        folder = os.environ.get(PROGRESS_FOLDER)
        if not folder:
            return ""
        try:
            newest = max(Path(folder).glob("*.json"), key=lambda path: path.stat().st_mtime)
            if time.time() - newest.stat().st_mtime > 5:
                return ""
            told = json.loads(newest.read_text(encoding="utf-8"))
            return f" ({told['step']}: {told['done']} of {told['total']})"
        except (OSError, ValueError, KeyError):
            return ""

    def end(self, result: Any, status: str) -> None:
        """Note what became of the running step on one host."""
        if self.step:
            self.step.end(result.host.get_name(), status)

    def finish_step(self) -> None:
        """Print the line of the step that is over."""
        step, self.step = self.step, None
        if step is None:
            return
        statuses = step.statuses()
        if not set(statuses) - {"skipped"}:
            return
        self.steps.append(step)
        self.learnt.note(step.key, step.seconds, bool(statuses["changed"]))
        if step.quiet and not statuses["failed"] and not statuses["unreachable"]:
            return
        self.show_play(step)
        parts = []
        for status, mark in MARKS.items():
            names = [host for host, one in step.hosts.items() if one["status"] == status]
            if names:
                parts.append(f"{' '.join(names) if len(names) <= 6 else f'{len(names)} hosts'} {mark}")
        self.screen.line(f"{self.times(time.monotonic())}  {step.name}: {', '.join(parts)}, {step.seconds:.1f} s")

    def show_play(self, step: Step) -> None:
        """Print a play's name above its first line."""
        if step.play != self.shown_play:
            self.shown_play = step.play
            self.screen.line(f"\n{step.play}")

    def hidden(self, result: Any) -> bool:
        """Whether a task's result must not be shown."""
        return bool(result.result.get("_ansible_no_log") or result.task.no_log is True or "censored" in result.result)

    def debug_text(self, values: dict[str, Any]) -> str:
        """Return what a debug task prints."""
        if "msg" in values:
            message = values["msg"]
            return (
                message if isinstance(message, str) else json.dumps(message, indent=2, ensure_ascii=False, default=str)
            )
        return str(self._dump_results(values))

    def print_failure(self, result: Any, item: str = "") -> None:
        """Print where a task failed and everything it said."""
        name = self.step.name if self.step else result.task.get_name()
        lines = [f"{result.host.get_name()} failed: {name}{item}", f"    at {result.task.get_path()}"]
        if self.hidden(result):
            lines.append("    (what it said is hidden, as it may hold secrets)")
        else:
            told = result.result
            if told.get("cmd") and "rc" in told:
                command = told["cmd"] if isinstance(told["cmd"], str) else " ".join(told["cmd"])
                lines.append(f"    {command}: exit code {told['rc']}")
            shown = [
                str(told[key]).rstrip()
                for key in ("msg", "stderr", "stdout", "module_stderr", "module_stdout")
                if told.get(key)
            ]
            # The same words often arrive under two names.
            for text in dict.fromkeys(shown):
                lines.extend(f"    {line}" for line in text.splitlines())
            if self._display.verbosity >= 3 or not shown:
                lines.append(f"    {self._dump_results(told)}")
        self.fail_line("\n".join(lines))

    def fail_line(self, text: str) -> None:
        """Print in the colour of errors."""
        if self.step:
            self.show_play(self.step)
        self.screen.line(text if not self.screen.tty else f"\x1b[31m{text}\x1b[0m")

    def print_recap(self, hosts: dict[str, dict[str, int]], changed: int, complete: bool) -> None:
        """Print what the run came to."""
        end = f"{len(self.steps)} steps in {clock(time.monotonic() - self.began)}"
        if not complete:
            broken = [host for host, counts in hosts.items() if counts["failures"] or counts["unreachable"]]
            text = f"FAILED on {', '.join(broken) or 'the controller'}, {changed} changed before, {end}"
        elif changed:
            per_host = ", ".join(f"{host} {counts['changed']}" for host, counts in hosts.items() if counts["changed"])
            text = f"{changed} {'would be changed' if self.check else 'changed'} ({per_host}), {end}"
        else:
            text = f"nothing {'would change' if self.check else 'changed'}, {end}"
        self.screen.line(f"\n{self.playbook}: {text}")

    def save_run(self, hosts: dict[str, dict[str, int]], changed: int, complete: bool) -> None:
        """Keep a record of the run, for the summary and for benchmarks."""
        durations.write_json(
            self.record_path("run"),
            {
                "playbook": self.playbook,
                "site": self.site,
                "check": self.check,
                "started": self.started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self.began, 1),
                "complete": complete,
                "changed": changed,
                "hosts": hosts,
                "steps": [
                    {
                        "play": step.play,
                        "role": step.role,
                        "name": step.name,
                        "place": os.path.relpath(step.place) if step.place else "",
                        "began": round(step.began - self.began, 1),
                        "seconds": round(step.seconds, 1),
                        "hosts": step.hosts,
                    }
                    for step in self.steps
                ],
            },
        )
