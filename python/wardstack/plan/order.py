"""What must exist before what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wardstack.blueprint.model import (
    KINDS,
    Blueprint,
    Filesystem,
    HaRule,
    Image,
    Placement,
    Resource,
    Vm,
    Volume,
)
from wardstack.engines.base import Action, Engine

RANK: Mapping[str, int] = {kind.KIND: index for index, kind in enumerate(KINDS)}
"""Position of a kind in creation; deletion goes backwards."""


def references(resource: Resource) -> frozenset[str]:
    """Ids of the resources that a resource names."""
    match resource:
        case Filesystem():
            return frozenset({f"pool/{resource.metadata_pool}", f"pool/{resource.data_pool}"})
        case Image():
            return frozenset({f"pool/{resource.pool}"})
        case Volume():
            image = {f"image/{resource.image}"} if resource.image else set()
            return frozenset({f"pool/{resource.pool}", *image})
        case Vm():
            volumes = {f"volume/{attachment.volume}" for attachment in resource.volumes}
            return frozenset(volumes | {f"network/{nic.network}" for nic in resource.nics})
        case Placement():
            return frozenset(f"vm/{vm}" for vm in resource.vms)
        case HaRule():
            return frozenset({f"vm/{resource.vm}"})
        case _:
            return frozenset()


def prerequisites(engine: Engine, blueprint: Blueprint) -> dict[str, frozenset[str]]:
    """Id → ids that come before it, as named by the resource and as the engine needs it."""
    return {r.id: references(r) | engine.dependencies(r) for r in blueprint.resources}


def in_order(actions: Sequence[Action], before: Mapping[str, frozenset[str]]) -> tuple[Action, ...]:
    """Sort actions so that each comes after what it needs; deletions last, users before what they use.

    Among those that could come next the blueprint's own order decides, so a plan reads the same every time.

    Raises:
        ValueError: resources need each other in a circle.
    """
    waiting = sorted((a for a in actions if a.op != "delete"), key=lambda a: (RANK[a.kind], a.name))
    ordered: list[Action] = []
    while waiting:
        open_ids = {action.id for action in waiting}
        following = next((a for a in waiting if not (before.get(a.id, frozenset()) & open_ids - {a.id})), None)
        if following is None:
            raise ValueError(f"resources need each other in a circle: {', '.join(sorted(open_ids))}")
        ordered.append(following)
        waiting.remove(following)
    deletions = sorted((a for a in actions if a.op == "delete"), key=lambda a: (-RANK[a.kind], a.name))
    return (*ordered, *deletions)


def edges(actions: Sequence[Action], before: Mapping[str, frozenset[str]]) -> dict[str, set[str]]:
    """Id of an action → ids of the actions that must have ended before it begins."""
    found: dict[str, set[str]] = {}
    changing = {action.id for action in actions if action.op != "delete"}
    for action in actions:
        if action.op != "delete":
            found[action.id] = set(before.get(action.id, frozenset())) & changing - {action.id}
        else:
            later = {a.id for a in actions if a.op == "delete" and RANK[a.kind] > RANK[action.kind]}
            found[action.id] = changing | later
    return found
