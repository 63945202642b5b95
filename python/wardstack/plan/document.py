"""A plan as a person reads it and as an auditor keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import yaml

from wardstack.engines.base import Action, Problem

SIGNS = {"create": "+", "update": "~", "delete": "-", "restart": "!"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An ordered list of actions that brings a cloud to its blueprint.

    Attributes:
        site: name of the site.
        blueprint: digest of the blueprint.
        actions: in the order of execution.
        problems: what was known to be wrong before the first change.
        where: VM → host when the plan was made.
    """

    site: str
    blueprint: str
    actions: tuple[Action, ...]
    problems: tuple[Problem, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical JSON of what will be done; where VMs run just now is no part of it."""
        document = {
            "format": 1,
            "site": self.site,
            "blueprint": self.blueprint,
            "actions": [
                {
                    "op": a.op,
                    "id": a.id,
                    "before": a.before,
                    "after": a.after,
                    "clauses": list(a.clauses),
                    "interrupts": a.interrupts,
                    "destroys": a.destroys,
                }
                for a in self.actions
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: what is approved when a plan is approved."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def refused(self, allow_destroy: Collection[str]) -> list[Problem]:
        """Actions that would destroy data and were not allowed by the resource's name."""
        return [
            Problem(
                action.id,
                f"would be deleted with its data ({action.reason})",
                f"Put it back into the blueprint, or allow it by name: allow_destroy=[{action.id}]",
            )
            for action in self.actions
            if action.destroys and action.id not in allow_destroy
        ]

    def lines(self) -> list[str]:
        """One line per action, for a person."""
        found = []
        for action in self.actions:
            marks = [
                word for word, is_so in (("interrupts", action.interrupts), ("DESTROYS DATA", action.destroys)) if is_so
            ]
            extra = f" [{', '.join(marks)}]" if marks else ""
            clauses = f" ({', '.join(action.clauses)})" if action.clauses else ""
            found.append(f"{SIGNS[action.op]} {action.op} {action.id}: {action.reason}{extra}{clauses}")
        return found

    def differences(self) -> list[dict[str, str]]:
        """Before and after of every action, as Ansible shows differences."""
        return [
            {
                "before_header": f"{action.id} (observed)",
                "after_header": f"{action.id} ({action.op}: {', '.join(action.clauses) or 'no clause'})",
                "before": _text(action.before),
                "after": _text(action.after),
            }
            for action in self.actions
        ]


def _text(attributes: Mapping[str, object] | None) -> str:
    if attributes is None:
        return ""
    plain = json.loads(json.dumps(attributes))
    return str(yaml.safe_dump(plain, sort_keys=True, allow_unicode=True, default_flow_style=False))
