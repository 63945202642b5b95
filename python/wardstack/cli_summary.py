"""What `up` says at its end: what there is now, what was measured, what to type next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wardstack.archive.report import Report
from wardstack.cli_site import OpenedSite
from wardstack.cli_status import Machines, screen
from wardstack.progress import durations
from wardstack.progress.screen import clock

NEXT = """next
  sudo ./wardstack status                 the state on one screen
  sudo ./wardstack archive verify         store, find, read back and compare again
  sudo ./wardstack migrate a1             move an archive node to another host while it works
  sudo ./wardstack lab power off h2       cut a host's power and watch `status`
  sudo ./wardstack down                   remove it all"""
NEXT_HOSPITAL = """next
  ./wardstack status                      the state on one screen
  ./wardstack archive verify              store, find, read back and compare again
  ./wardstack drain HOST                  empty a host before maintenance, `undrain` afterwards"""


def summary(opened: OpenedSite, machines: Machines) -> str:
    """Return the summary."""
    parts = [
        "",
        screen(opened, machines),
        *proof_lines(opened),
        *figure_lines(opened),
        NEXT if opened.lab else NEXT_HOSPITAL,
    ]
    return "\n".join(parts)


def proof_lines(opened: OpenedSite) -> list[str]:
    """Return what the verification found: the studies, what was compared, what was refused."""
    told = read_json(opened.state_dir / "last-verify.json")
    if told is None:
        return []
    return ["proof", *(f"  {line}" for line in Report.from_dict(told).summary())]


def figure_lines(opened: OpenedSite) -> list[str]:
    """Return what the last run of the site's playbook measured of itself."""
    run = read_json(durations.folder() / f"{opened.site.name}-site.run.json")
    if run is None:
        return []
    slowest = sorted(run["steps"], key=lambda step: float(step["seconds"]), reverse=True)[:3]
    named = ", ".join(f"{step['name']} {step['seconds']:.0f} s" for step in slowest)
    changed = "nothing changed" if run["changed"] == 0 else f"{run['changed']} changed"
    return ["figures", f"  {changed} in {clock(run['seconds'])}; slowest: {named}"]


def read_json(path: Path) -> Any:
    """Return a JSON file's value, None where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
