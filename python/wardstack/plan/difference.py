"""Computes the difference between what is wanted and what was observed, once for all engines."""

from __future__ import annotations

from wardstack.blueprint.model import Blueprint
from wardstack.engines.base import Action, Attributes, Engine, Operation, Problem, State
from wardstack.plan.document import Plan
from wardstack.plan.order import RANK, in_order, prerequisites

RUNNING = "running"
"""The attribute that says what runs now; when nothing else differs, a restart is all that is needed."""

LONGEST_REASON = 3
"""Attributes that a reason spells out; the plan's own before and after show the rest."""


def make_plan(engine: Engine, blueprint: Blueprint, state: State) -> Plan:
    """Make the plan that brings a cloud to its blueprint.

    The plan holds every problem that is known before the first change; with
    one it can be read, but not executed.
    """
    problems = unsupported(engine, blueprint)
    desired = engine.desired(blueprint, state)
    actions: list[Action] = []
    for resource in blueprint.resources:
        before, after = state.resources.get(resource.id), desired[resource.id]
        if before is not None and dict(before) == dict(after):
            continue
        op: Operation = "create" if before is None else "update"
        if before is not None and changed(before, after) == [RUNNING]:
            op = "restart"
        actions.append(_action(engine, op, resource.id, before, after, resource.clauses))
    wanted = {resource.id for resource in blueprint.resources}
    for identity in sorted(state.managed - wanted):
        if identity.partition("/")[0] in RANK:
            actions.append(_action(engine, "delete", identity, state.resources[identity], None, ()))
    ordered = in_order(actions, prerequisites(engine, blueprint))
    problems += [p for p in engine.preflight(blueprint, state, ordered) if p not in problems]
    return Plan(
        site=blueprint.site,
        blueprint=blueprint.digest(),
        actions=ordered,
        problems=tuple(problems),
        where=dict(state.where),
    )


def unsupported(engine: Engine, blueprint: Blueprint) -> list[Problem]:
    """Resources that the engine cannot make, each with the clauses that ask for it."""
    capabilities = engine.capabilities()
    found = []
    for resource in blueprint.resources:
        why = capabilities.get(resource.KIND, f"this engine has no {resource.KIND}")
        if why is not None:
            clauses = ", ".join(resource.clauses)
            found.append(Problem(resource.id, f"{why} ({clauses} asks for it)", "Choose another engine, or deviate"))
    return found


def changed(before: Attributes, after: Attributes) -> list[str]:
    """Names of the attributes that differ, sorted."""
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))


def _action(
    engine: Engine,
    op: Operation,
    identity: str,
    before: Attributes | None,
    after: Attributes | None,
    clauses: tuple[str, ...],
) -> Action:
    interrupts, destroys = engine.impact(op, before, after, identity)
    return Action(
        op=op,
        id=identity,
        before=before,
        after=after,
        clauses=clauses,
        reason=_reason(op, before, after),
        interrupts=interrupts,
        destroys=destroys,
    )


def _reason(op: Operation, before: Attributes | None, after: Attributes | None) -> str:
    if op == "create":
        return "does not exist"
    if op == "delete":
        return "is not in the blueprint"
    assert before is not None and after is not None
    if op == "restart":
        return "runs with an older definition" if before.get(RUNNING) else "does not run"
    names = changed(before, after)
    shown = [f"{key} is {_short(before.get(key))}, wanted {_short(after.get(key))}" for key in names[:LONGEST_REASON]]
    more = f" and {len(names) - LONGEST_REASON} more" if len(names) > LONGEST_REASON else ""
    return "; ".join(shown) + more


def _short(value: object) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
