"""Executes a plan: what does not depend on each other at once, with progress, safe to interrupt anywhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from wardstack.blueprint.model import Blueprint
from wardstack.engines.base import Action, Engine, EngineError, Problem, State
from wardstack.plan.document import Plan
from wardstack.plan.order import edges, prerequisites

WORKERS = 4
"""Actions at once. They wait for storage and for hosts, so more than the controller's cores is right."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an execution stands.

    Attributes:
        id: resource.
        step: what is being done with it.
        seconds: since its action began.
        done: actions ended.
        total: actions of the plan.
    """

    id: str
    step: str
    seconds: float
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Done:
    """An action that ended well, and how long it took."""

    action: Action
    seconds: float


class PlanFailed(Exception):
    """A plan could not begin, or did not end.

    What was done stays; making the plan again continues from there.

    Attributes:
        problems: every failure.
        done: actions that ended well.
        waiting: ids of actions that were not begun.
    """

    def __init__(
        self, problems: Collection[Problem], done: Collection[Done] = (), waiting: Collection[str] = ()
    ) -> None:
        self.problems = tuple(problems)
        self.done = tuple(done)
        self.waiting = tuple(waiting)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def execute(
    engine: Engine,
    blueprint: Blueprint,
    state: State,
    plan: Plan,
    *,
    allow_destroy: Collection[str] = (),
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Done]:
    """Carry out a plan.

    After a failure nothing new begins; what runs is waited for. An action that
    interrupts a VM runs alone, so never two VMs stop at the same time.

    Args:
        engine: what carries out the actions.
        blueprint: what the plan was made from.
        state: what the plan was made from.
        plan: the plan.
        allow_destroy: ids of resources whose data may be destroyed.
        progress: called when an action begins, reports a step, and ends; from several threads.
        stop: set from outside to begin nothing new.

    Raises:
        PlanFailed: problems were known, destruction was not allowed, or an action failed.
    """
    refused = [*plan.problems, *plan.refused(allow_destroy)]
    if refused:
        raise PlanFailed(refused, waiting=[action.id for action in plan.actions])
    return _Run(engine, blueprint, state, plan, progress, stop or threading.Event()).run()


class _Run:
    """One execution's bookkeeping."""

    def __init__(
        self,
        engine: Engine,
        blueprint: Blueprint,
        state: State,
        plan: Plan,
        progress: Callable[[Progress], None] | None,
        stop: threading.Event,
    ) -> None:
        self.engine, self.blueprint, self.state = engine, blueprint, state
        self.progress, self.stop = progress, stop
        self.waiting = list(plan.actions)
        self.total = len(plan.actions)
        self.needs = edges(plan.actions, prerequisites(engine, blueprint))
        self.running: dict[Future[float], Action] = {}
        self.done: list[Done] = []
        self.problems: list[Problem] = []

    def run(self) -> list[Done]:
        """Run until nothing is left, or something failed."""
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            try:
                while True:
                    self._begin(pool)
                    if not self.running:
                        break
                    self._collect()
            except KeyboardInterrupt:
                self.stop.set()
                while self.running:
                    self._collect()
                self.problems.append(Problem("plan", "was interrupted", "Run it again: it continues where it stopped"))
        if self.stop.is_set() and self.waiting and not self.problems:
            self.problems.append(Problem("plan", "was stopped", "Run it again: it continues where it stopped"))
        if self.problems:
            raise PlanFailed(self.problems, self.done, [action.id for action in self.waiting])
        return self.done

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Begin whatever may begin now."""
        if self.stop.is_set() or self.problems:
            return
        open_ids = {action.id for action in (*self.waiting, *self.running.values())}
        for action in list(self.waiting):
            alone = any(running.interrupts for running in self.running.values())
            if alone or len(self.running) >= WORKERS or (action.interrupts and self.running):
                # In plan order: an interrupting action is not overtaken for ever by small ones.
                return
            if self.needs[action.id] & open_ids:
                continue
            self.waiting.remove(action)
            self.running[pool.submit(self._apply, action)] = action

    def _apply(self, action: Action) -> float:
        begun = time.monotonic()

        def report(step: str) -> None:
            if self.progress:
                self.progress(Progress(action.id, step, time.monotonic() - begun, len(self.done), self.total))

        report(action.op)
        self.engine.apply(action, self.blueprint, self.state, report)
        return time.monotonic() - begun

    def _collect(self) -> None:
        """Wait for an action to end and note how."""
        ended, _ = wait(self.running, return_when=FIRST_COMPLETED)
        for future in ended:
            action = self.running.pop(future)
            try:
                seconds = future.result()
            except EngineError as error:
                self.problems += [Problem(f"{action.op} {action.id}", str(p), "", p.missing) for p in error.problems]
            except Exception as error:
                self.problems.append(
                    Problem(
                        f"{action.op} {action.id}", f"{type(error).__name__}: {error}", "This is a fault of Wardstack"
                    )
                )
            else:
                self.done.append(Done(action, seconds))
                if self.progress:
                    self.progress(Progress(action.id, "done", seconds, len(self.done), self.total))


def seconds_by_kind(done: Collection[Done]) -> Mapping[str, float]:
    """Kind → seconds spent, for estimates and benchmarks."""
    found: dict[str, float] = {}
    for item in done:
        found[item.action.kind] = found.get(item.action.kind, 0.0) + item.seconds
    return {kind: round(seconds, 1) for kind, seconds in sorted(found.items())}
