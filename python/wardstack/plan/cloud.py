"""One call from a site's documents to a cloud that equals its blueprint (STD-03.4, STD-10.1)."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wardstack.blueprint.compile import ImageInfo, compile_blueprint, read_public_key
from wardstack.blueprint.model import Blueprint
from wardstack.engines.base import EngineError, Problem, State
from wardstack.engines.libvirt.engine import LibvirtEngine
from wardstack.plan.difference import make_plan
from wardstack.plan.document import Plan
from wardstack.plan.execute import Done, PlanFailed, Progress, execute
from wardstack.site.model import Site

CLAUSES = ("STD-03.4", "STD-10.1", "STD-10.4")
"""Drift is shown by the plan; a plan is made before every change; what was approved is what is done."""

PLACEHOLDER_KEY = "ssh-ed25519 AAAA made-by-the-first-run"
"""Public key in a plan that is made before the controller has one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was planned and done.

    Attributes:
        plan: the plan.
        done: actions carried out; empty when there was nothing to do or it was only a check.
        where: VM → host afterwards.
        seconds: for observing, planning and applying.
        remaining: actions that a plan made afterwards still holds; empty after success.
    """

    plan: Plan
    done: tuple[Done, ...]
    where: Mapping[str, str]
    seconds: Mapping[str, float]
    remaining: tuple[str, ...] = ()


def blueprint_of(site: Site, image: ImageInfo, *, tolerate_missing_key: bool = False) -> Blueprint:
    """Compile a site's blueprint.

    Raises:
        EngineError: the controller's public key does not exist yet.
    """
    try:
        key = read_public_key(site)
    except FileNotFoundError as error:
        if not tolerate_missing_key:
            what = "the controller's ssh key does not exist"
            raise EngineError(Problem(str(error.filename), what, "Run the playbook certificates.yml")) from None
        key = PLACEHOLDER_KEY
    return compile_blueprint(site, image, key)


def check(engine: LibvirtEngine, site: Site, image: ImageInfo) -> Outcome:
    """Make the plan and change nothing; software that is not installed yet is no problem here."""
    blueprint = blueprint_of(site, image, tolerate_missing_key=True)
    state = engine.observe()
    plan = make_plan(engine, blueprint, state)
    plan = replace(plan, problems=tuple(p for p in plan.problems if not _expected(p, state, plan)))
    return Outcome(plan, (), dict(state.where), {"observe": round(state.seconds, 2)})


def _expected(problem: Problem, state: State, plan: Plan) -> bool:
    """Say whether a problem only says that earlier playbooks of the same run would have acted by now."""
    bare = any(p.missing for p in state.problems)
    return problem.missing or (bare and problem.where not in plan.where and problem not in state.problems)


def converge(
    engine: LibvirtEngine,
    site: Site,
    image: ImageInfo,
    *,
    allow_destroy: Collection[str] = (),
    approved: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Bring a cloud to its blueprint, then observe again and plan again, which must find nothing.

    Args:
        engine: an open engine.
        site: a checked site.
        image: the golden image.
        allow_destroy: ids of resources whose data may be destroyed.
        approved: digest of the plan that was approved; needed where clause STD-10.4 asks for approval.
        progress: told what happens; from several threads.
        stop: set to begin nothing new.

    Raises:
        PlanFailed: with every problem.
        EngineError: the cloud cannot be planned for at all.
    """
    blueprint = blueprint_of(site, image)
    with _lock(site.state_dir / "plans"):
        state = engine.observe()
        plan = make_plan(engine, blueprint, state)
        if not plan.actions and not plan.problems:
            return Outcome(plan, (), dict(state.where), {"observe": round(state.seconds, 2)})
        keep(site.state_dir / "plans", plan)
        if site.flag("plan_approval_required") and approved != plan.digest():
            raise PlanFailed([_unapproved(site, plan, approved)], waiting=[a.id for a in plan.actions])
        begun = time.monotonic()
        done = execute(engine, blueprint, state, plan, allow_destroy=allow_destroy, progress=progress, stop=stop)
        seconds = time.monotonic() - begun
        after = engine.observe()
        remaining = make_plan(engine, blueprint, after)
    return Outcome(
        plan,
        tuple(done),
        dict(after.where),
        {"observe": round(state.seconds, 2), "apply": round(seconds, 1)},
        tuple(remaining.lines()),
    )


def _unapproved(site: Site, plan: Plan, approved: str | None) -> Problem:
    path = site.state_dir / "plans" / f"{plan.digest()}.json"
    what = "the plan is not approved (STD-10.4)" if approved is None else "is not the plan that was approved (STD-10.4)"
    return Problem(str(path), what, f"Read it; if it is right, run again with -e cloud_approved_plan={plan.digest()}")


def keep(folder: Path, plan: Plan) -> Path:
    """Keep a plan as a file named by its digest."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{plan.digest()}.json"
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(plan.to_json(), encoding="utf-8")
    temporary.replace(path)
    return path


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep two runs of one controller apart; the kernel ends the lock with the process, however that ends.

    Raises:
        EngineError: another run holds it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = Problem(str(folder / "lock"), "another run is changing this cloud", "Wait for its end")
            raise EngineError(problem) from None
        yield


class ProgressFile:
    """The newest step of a run as a small JSON file that a status line or a person can read.

    Args:
        path: the file; replaced as a whole each time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def __call__(self, progress: Progress) -> None:
        """Write one step."""
        document: dict[str, Any] = {
            "step": f"{progress.id}: {progress.step}",
            "done": progress.done,
            "total": progress.total,
            "seconds": round(progress.seconds, 1),
        }
        with self._lock:
            temporary = self.path.with_suffix(".new")
            temporary.write_text(json.dumps(document), encoding="utf-8")
            temporary.replace(self.path)

    def close(self) -> None:
        """Remove the file: nothing runs any more."""
        self.path.unlink(missing_ok=True)
